/** Lets one task at a time work under each key; tasks wait in the order of their coming. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs a task while it holds all the keys. Keys are taken in sorted order, so that two tasks never wait for one another. */
  async hold<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
    const releases: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].sort()) releases.push(await this.#take(key));
      return await task();
    } finally {
      for (const release of releases) release();
    }
  }

  async #take(key: string): Promise<() => void> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    await before;
    return () => {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    };
  }
}
