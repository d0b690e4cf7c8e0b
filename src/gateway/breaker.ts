/** Holds calls back from an upstream that keeps failing: opens after `failures` in a row, lets one probe through each `openMs`. */
export class Breaker {
  readonly #failures: number;
  readonly #openMs: number;
  readonly #clock: () => number;
  #inARow = 0;
  #probeAtMs = 0;

  /** @param options.clock epoch ms */
  constructor(options: { failures: number; openMs: number; clock: () => number }) {
    this.#failures = options.failures;
    this.#openMs = options.openMs;
    this.#clock = options.clock;
  }

  get isOpen(): boolean {
    return this.#inARow >= this.#failures;
  }

  /** Whether a call may go out now. While open, a yes is the one probe of this interval. */
  admits(): boolean {
    if (!this.isOpen) return true;
    const now = this.#clock();
    if (now < this.#probeAtMs) return false;
    this.#probeAtMs = now + this.#openMs;
    return true;
  }

  succeeded(): void {
    this.#inARow = 0;
  }

  failed(): void {
    this.#inARow += 1;
    if (this.isOpen) this.#probeAtMs = this.#clock() + this.#openMs;
  }
}
