import type { Logger } from 'pino';
import type { Compliance } from '../compliance/compliance.ts';
import type { LedgerView } from '../ledger/ledger-view.ts';
import type { PeerClient } from '../ledger/peer.ts';
import type { Recorder } from '../provenance/exchange-record.ts';
import type { RuleSet, Validator } from '../validation/validator.ts';
import type { Authenticator } from './auth/authenticator.ts';

import type { GatewayMetrics } from './metrics.ts';
import type { ReceivedDisclosures } from './received-disclosures.ts';
import type { UpstreamClient } from './upstream-client.ts';

/** Limits of one gateway; every one has a typed answer when it is passed. They are those of the configuration. */
export interface GatewayLimits {
  /** Largest request body after content decoding, bytes; above: 413. The upstream clients hold the limit of answers. */
  readonly requestBytes: number;
  /** Deepest JSON nesting; above: 400. */
  readonly jsonDepth: number;
  /** Most entries in a batch or transaction; above: 413. */
  readonly bundleEntries: number;
  /** Entries of a federated page when `_count` is not given. */
  readonly pageSize: number;
  /** Per client; above: 429. */
  readonly requestsPerMinute: number;
  /** How long a paging link lives. */
  readonly cursorLifetimeMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  requestBytes: 50 * 1024 * 1024,
  jsonDepth: 200,
  bundleEntries: 5_000,
  pageSize: 50,
  requestsPerMinute: 60_000,
  cursorLifetimeMs: 60 * 60 * 1000,
};

/** What `/.well-known/smart-configuration` says of the authorisation servers; undefined in open mode. */
export interface SmartConfiguration {
  readonly issuer: string;
  readonly jwksUri?: string;
  readonly tokenEndpoint?: string;
  readonly authorizationEndpoint?: string;
}

/** One alarm that is on now, for `concordat_alarm{kind}`, `/health/ready` and `status`. */
export interface Alarm {
  readonly kind: string;
  readonly text: string;
}

/** Everything that the HTTP edge is composed of; `main.ts` makes it, `createApp(parts)` mounts it. */
export interface GatewayParts {
  /** This member's name in the consortium. */
  readonly member: string;
  /** Scheme, host and port as clients see them (`https://fhir.example.org`); undefined: taken from the request's Host header. */
  readonly publicUrl: string | undefined;
  /** By the name in `/fhir/{upstream}`; the order is that of federated answers. */
  readonly upstreams: ReadonlyMap<string, UpstreamClient>;
  readonly authenticator: Authenticator;
  readonly smart: SmartConfiguration | undefined;
  readonly recorder: Recorder;
  /** What other members' gateways disclosed to an exchange; left out where no upstream is one. */
  readonly disclosures?: ReceivedDisclosures;
  readonly validator: Validator;
  readonly ruleSet: RuleSet;
  /** Digests of rule sets that the consortium lets a gateway work with now; empty while it has adopted none. */
  readonly adoptedRuleSets: () => readonly string[];
  readonly ledger: LedgerView;
  readonly compliance: Compliance;
  /** Other members, asked about events that are not in the own replica yet. */
  readonly peers?: readonly PeerClient[];
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  readonly alarms: () => readonly Alarm[];
  /** Epoch ms. */
  readonly clock: () => number;
  /** Cryptographically secure random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** 32 bytes that encrypt paging links; keep it over restarts and share it among a member's gateways, or open pages end with 410. */
  readonly cursorKey: Uint8Array;
  /** Operations beside `$validate` and `$verify` that are passed on, by name without `$`. */
  readonly operations: readonly string[];
  /** Whether a federated search with a failed upstream answers with the rest and an outcome entry, or fails as a whole. */
  readonly partialSearch: 'annotate' | 'fail';
  /** Origins that a browser may call from; `*` for all, empty for none. */
  readonly allowedOrigins: readonly string[];
  readonly limits: GatewayLimits;
}
