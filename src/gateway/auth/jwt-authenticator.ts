import { decodeJwt, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey } from 'jose';
import type { Caller } from '../../provenance/exchange-record.ts';
import { GatewayError } from '../gateway-error.ts';
import type { Authenticator, Principal } from './authenticator.ts';
import { createKeySource } from './jwks.ts';
import type { JwksSource } from './jwks.ts';
import { parseScopes } from './scopes.ts';

/** Which claims of a token name whom; dots walk into objects where no claim has the whole name. */
export interface ClaimNames {
  readonly client: string;
  readonly user: string;
  readonly organisation: string;
  readonly purpose: string;
  readonly patient: string;
}

export const DEFAULT_CLAIMS: ClaimNames = {
  client: 'client_id',
  user: 'fhirUser',
  organisation: 'organisation',
  purpose: 'purpose_of_use',
  patient: 'patient',
};

/** Tokens that are another member's: by client or organisation, or, where it names neither, all that nobody else is named for. */
export interface IssuerMember {
  readonly member: string;
  readonly clients?: readonly string[];
  readonly organisations?: readonly string[];
}

export interface IssuerOptions {
  readonly issuer: string;
  readonly audience: string | readonly string[];
  readonly keys: JwksSource;
  /** Subset of ALLOWED_ALGORITHMS; undefined for all of them. */
  readonly algorithms?: readonly string[];
  readonly claims?: Partial<ClaimNames>;
  readonly members?: readonly IssuerMember[];
}

/** Asymmetric signatures only: `none` and the HMAC family can never be allowed. */
export const ALLOWED_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const CLOCK_TOLERANCE_S = 30;
const LONGEST_TOKEN = 16 * 1024;

interface Issuer {
  readonly options: IssuerOptions;
  readonly keys: JWTVerifyGetKey;
  readonly algorithms: string[];
  readonly claims: ClaimNames;
}

/**
 * Checks bearer JWTs of several issuers: signature by JWKS, algorithm, `iss`, `aud`, `exp` (required) and `nbf`.
 * @throws {RangeError} when an issuer allows an algorithm that is not asymmetric
 * @see RFC 7519, RFC 8725; SMART App Launch
 */
export function createJwtAuthenticator(options: {
  readonly issuers: readonly IssuerOptions[];
  readonly clock: () => number;
}): Authenticator {
  const issuers = new Map(options.issuers.map((issuer) => [issuer.issuer, prepare(issuer, options.clock)]));
  return {
    mode: 'jwt',
    async authenticate(authorization) {
      const token = bearerToken(authorization);
      const issuer = issuers.get(issuerOf(token));
      if (issuer === undefined) throw refused('unknown-issuer');
      try {
        const { payload } = await jwtVerify(token, issuer.keys, {
          issuer: issuer.options.issuer,
          audience: [issuer.options.audience].flat(),
          algorithms: issuer.algorithms,
          requiredClaims: ['exp'],
          clockTolerance: CLOCK_TOLERANCE_S,
          currentDate: new Date(options.clock()),
        });
        return principalOf(payload, issuer);
      } catch (error) {
        throw refused(reasonOf(error), error);
      }
    },
  };
}

function prepare(options: IssuerOptions, clock: () => number): Issuer {
  const algorithms = [...(options.algorithms ?? ALLOWED_ALGORITHMS)];
  for (const algorithm of algorithms) {
    if (!ALLOWED_ALGORITHMS.includes(algorithm)) throw new RangeError(`algorithm not allowed: ${algorithm}`);
  }
  return {
    options,
    keys: createKeySource(options.keys, clock),
    algorithms,
    claims: { ...DEFAULT_CLAIMS, ...options.claims },
  };
}

function bearerToken(authorization: string | undefined): string {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '');
  const token = match?.[1];
  if (token === undefined) throw refused('no-token');
  if (token.length > LONGEST_TOKEN) throw refused('malformed');
  return token;
}

/** Unverified: only picks whose keys to try. */
function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch (error) {
    throw refused('malformed', error);
  }
}

function principalOf(payload: JWTPayload, issuer: Issuer): Principal {
  const claim = (name: string): string | undefined => textOf(claimAt(payload, name));
  const subject = payload.sub ?? '';
  const clientId = claim(issuer.claims.client) ?? claim('azp') ?? subject;
  const organisation = claim(issuer.claims.organisation);
  const member = memberOf(issuer.options.members ?? [], clientId, organisation);
  const caller: Caller = {
    issuer: issuer.options.issuer,
    subject,
    clientId,
    user: claim(issuer.claims.user),
    organisation,
    ...(member !== undefined && { member }),
    purpose: claim(issuer.claims.purpose),
    patient: claim(issuer.claims.patient)?.replace(/^Patient\//, ''),
  };
  const scope = payload.scope ?? payload.scp;
  const text = Array.isArray(scope) ? scope.filter((item) => typeof item === 'string').join(' ') : scope;
  return { caller, scopes: parseScopes(typeof text === 'string' ? text : '') };
}

/** The client says more than its organisation, and that more than the issuer alone. */
function memberOf(
  members: readonly IssuerMember[],
  clientId: string,
  organisation: string | undefined,
): string | undefined {
  const found =
    members.find(({ clients }) => clients?.includes(clientId)) ??
    members.find(({ organisations }) => organisation !== undefined && organisations?.includes(organisation)) ??
    members.find(({ clients, organisations }) => clients === undefined && organisations === undefined);
  return found?.member;
}

function claimAt(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const step of name.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(' ');
  return undefined;
}

export type TokenRefusal =
  'no-token' | 'malformed' | 'unknown-issuer' | 'expired' | 'not-yet' | 'audience' | 'signature' | 'keys-unavailable';

function reasonOf(error: unknown): TokenRefusal {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'nbf') return 'not-yet';
    return error.claim === 'aud' ? 'audience' : 'malformed';
  }
  if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) return 'keys-unavailable';
  return error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid ? 'malformed' : 'signature';
}

const EXPLANATIONS: Readonly<Record<TokenRefusal, string>> = {
  'no-token': 'A bearer token is needed: send Authorization: Bearer <token>.',
  malformed: 'The token is not a JWT that this gateway can read.',
  'unknown-issuer': 'The token is of an issuer that this gateway does not trust.',
  expired: 'The token has expired; get a new one.',
  'not-yet': 'The token is not valid yet.',
  audience: 'The token is meant for another audience.',
  signature: 'The signature of the token does not verify, or its algorithm is not allowed.',
  'keys-unavailable': 'The keys of the token issuer cannot be read now.',
};

function refused(reason: TokenRefusal, cause?: unknown): GatewayError {
  const challenge = reason === 'no-token' ? 'Bearer realm="fhir"' : 'Bearer realm="fhir", error="invalid_token"';
  return new GatewayError('unauthenticated', {
    external: EXPLANATIONS[reason],
    reason,
    headers: { 'WWW-Authenticate': challenge },
    cause,
  });
}
