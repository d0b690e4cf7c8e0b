import { AsyncLocalStorage } from 'node:async_hooks';
import type { ReceivedDisclosure } from '../provenance/exchange-record.ts';

interface Collected {
  received: ReceivedDisclosure[];
  isTaken: boolean;
}

/**
 * Which disclosures of other members went into which exchange. An exchange calls its upstreams from many places (conditions, pages, merges, retries), and an
 * answer that one of them forgot to hand on would stand in the other member's report for ever: so the upstream clients themselves say what came, and the
 * exchange that they work for is known by its asynchronous context.
 */
export class ReceivedDisclosures {
  readonly #context = new AsyncLocalStorage<Collected>();
  readonly #alone: (received: readonly ReceivedDisclosure[]) => void;

  /** @param alone told what came outside of an exchange, or after its record: the reconciler's looks, a late page */
  constructor(alone: (received: readonly ReceivedDisclosure[]) => void) {
    this.#alone = alone;
  }

  /** Does the work of one exchange. */
  async collect<T>(work: () => Promise<T>): Promise<T> {
    const collected: Collected = { received: [], isTaken: false };
    try {
      return await this.#context.run(collected, work);
    } finally {
      collected.isTaken = true;
      if (collected.received.length > 0) this.#alone(collected.received.splice(0));
    }
  }

  note(received: ReceivedDisclosure): void {
    const collected = this.#context.getStore();
    if (collected === undefined || collected.isTaken) this.#alone([received]);
    else collected.received.push(received);
  }

  /** What came so far in this exchange, for its record. */
  take(): readonly ReceivedDisclosure[] {
    const collected = this.#context.getStore();
    if (collected === undefined) return [];
    collected.isTaken = true;
    return collected.received.splice(0);
  }
}
