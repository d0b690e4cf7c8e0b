import type { Digests } from './exchange-record.ts';

/** A version that an upstream holds, as far as the reconciler looks at it. */
export interface UpstreamVersion {
  readonly type: string;
  readonly id: string;
  readonly versionId: string | undefined;
  /** Epoch ms, the upstream's clock. */
  readonly lastUpdatedMs: number;
  /** A delete: the digests are undefined. */
  readonly deleted: boolean;
  /** `formDigest(node, 'sent')`. */
  readonly sentForm: string | undefined;
  /** `matchDigest(node)`. */
  readonly match: string | undefined;
  /** `digestResource(octets or slice, node, 'stored')`. */
  readonly stored: Digests | undefined;
  readonly profiles: readonly string[];
  readonly patients: readonly string[];
}

/** How the reconciler looks behind an exchange that a crash cut off; the gateway implements it with its upstream client. */
export interface UpstreamHistory {
  /**
   * All versions of a type, or of one resource, since a time: by history, else by search on `_lastUpdated`.
   * Undefined where the upstream offers no way to look; rejects when it cannot be reached now (it is asked again later).
   */
  versionsSince(query: {
    readonly upstream: string;
    readonly type: string;
    readonly id: string | undefined;
    readonly sinceMs: number;
  }): Promise<readonly UpstreamVersion[] | undefined>;
}
