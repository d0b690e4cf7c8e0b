import type { Caller } from '../provenance/exchange-record.ts';
import { GatewayError } from './gateway-error.ts';

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Ten seconds' worth of requests may come at once. */
const BURST_SECONDS = 10;
const MOST_BUCKETS = 10_000;

/** A token bucket for each client, so that one of them cannot take the gateway from the others. */
export class RateLimiter {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param clock epoch ms */
  constructor(requestsPerMinute: number, clock: () => number) {
    this.#perMs = requestsPerMinute / 60_000;
    this.#burst = Math.max(1, this.#perMs * 1000 * BURST_SECONDS);
    this.#clock = clock;
  }

  /** Counts one request. @throws {GatewayError} too-many-requests, with Retry-After */
  take(caller: Caller): void {
    const key = JSON.stringify([caller.issuer, caller.clientId]);
    const now = this.#clock();
    const bucket = this.#buckets.get(key) ?? this.#newBucket(key, now);
    bucket.tokens = Math.min(this.#burst, bucket.tokens + (now - bucket.atMs) * this.#perMs);
    bucket.atMs = now;
    if (bucket.tokens < 1) {
      const waitSeconds = Math.max(1, Math.ceil((1 - bucket.tokens) / this.#perMs / 1000));
      throw new GatewayError('too-many-requests', {
        external: 'This client sends too many requests; slow down.',
        headers: { 'Retry-After': String(waitSeconds) },
      });
    }
    bucket.tokens -= 1;
  }

  #newBucket(key: string, now: number): Bucket {
    // The oldest client is forgotten, which can only be to its advantage.
    const oldest = this.#buckets.keys().next();
    if (this.#buckets.size >= MOST_BUCKETS && oldest.done !== true) this.#buckets.delete(oldest.value);
    const bucket = { tokens: this.#burst, atMs: now };
    this.#buckets.set(key, bucket);
    return bucket;
  }
}
