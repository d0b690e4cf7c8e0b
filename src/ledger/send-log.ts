interface Sends {
  /** Handed to the transport, not answered yet. */
  inFlight: number;
  /** Answered with doubt: each may have been stored once. */
  doubtful: number;
  /** Acknowledged offsets at which nothing was seen yet. */
  readonly acknowledged: Set<bigint>;
  /** Seen before the answer came. */
  readonly early: Set<bigint>;
}

/**
 * What this process sent and what it saw of it, so that a broker's own copies, losses and changes of order can be told from a sender's repeats. Only for transports
 * whose append stores one record at most. Batches sealed by an earlier process are not known here and never judged.
 */
export class SendLog {
  readonly #batches = new Map<number, Sends>();

  begin(batch: number): void {
    this.#batches.set(batch, { inFlight: 0, doubtful: 0, acknowledged: new Set(), early: new Set() });
  }

  sending(batch: number): void {
    const sends = this.#batches.get(batch);
    if (sends !== undefined) sends.inFlight++;
  }

  acknowledged(batch: number, offset: bigint): void {
    const sends = this.#batches.get(batch);
    if (sends === undefined || sends.early.delete(offset)) return;
    sends.inFlight = Math.max(0, sends.inFlight - 1);
    sends.acknowledged.add(offset);
  }

  /** @param stored `maybe` after an unknown outcome, `no` after a refusal */
  failed(batch: number, stored: 'maybe' | 'no'): void {
    const sends = this.#batches.get(batch);
    if (sends === undefined || sends.inFlight === 0) return;
    sends.inFlight--;
    if (stored === 'maybe') sends.doubtful++;
  }

  /** A peer says that it appended this one for us, or does not say that it did not. */
  relayed(batch: number): void {
    const sends = this.#batches.get(batch);
    if (sends !== undefined) sends.doubtful++;
  }

  /** A copy was read at this offset. @returns false when no send explains it */
  seen(batch: number, offset: bigint): boolean {
    const sends = this.#batches.get(batch);
    if (sends === undefined || sends.acknowledged.delete(offset)) return true;
    if (sends.inFlight > 0) {
      sends.inFlight--;
      sends.early.add(offset);
      return true;
    }
    if (sends.doubtful === 0) return false;
    sends.doubtful--;
    return true;
  }

  /** Acknowledgements below `nextOffset` at which another record, or none, was read. Each is returned once. */
  takeLost(nextOffset: bigint): { readonly batch: number; readonly offset: bigint }[] {
    const lost: { batch: number; offset: bigint }[] = [];
    for (const [batch, { acknowledged }] of this.#batches)
      for (const offset of acknowledged)
        if (offset < nextOffset && acknowledged.delete(offset)) lost.push({ batch, offset });
    return lost;
  }

  forgetBelow(batch: number): void {
    for (const number of this.#batches.keys()) if (number < batch) this.#batches.delete(number);
  }
}
