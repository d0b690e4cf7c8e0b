import type { Caller } from '../../provenance/exchange-record.ts';
import type { Scope } from './scopes.ts';

/** Who asks and what the token lets them do. */
export interface Principal {
  readonly caller: Caller;
  readonly scopes: readonly Scope[];
}

/** Turns the Authorization header into a principal. @throws {GatewayError} unauthenticated (401, with WWW-Authenticate) */
export interface Authenticator {
  /** `open` lets everybody in and is for a gateway that listens on loopback only. */
  readonly mode: 'jwt' | 'open';
  authenticate(authorization: string | undefined): Promise<Principal>;
}

const EVERYTHING: readonly Scope[] = [
  { context: 'system', resourceType: '*', actions: new Set(['c', 'r', 'u', 'd', 's'] as const), constraints: [] },
];

/** Lets everybody in as issuer `open`. @throws {RangeError} unless the address that the gateway listens on is loopback */
export function createOpenAuthenticator(listenHost: string): Authenticator {
  if (!isLoopback(listenHost)) throw new RangeError('open mode listens on loopback only');
  const caller: Caller = {
    issuer: 'open',
    subject: 'anonymous',
    clientId: 'anonymous',
    user: undefined,
    organisation: undefined,
    purpose: undefined,
    patient: undefined,
  };
  return { mode: 'open', authenticate: () => Promise.resolve({ caller, scopes: EVERYTHING }) };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
