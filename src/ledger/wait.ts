/** Waits; an abort ends it at once, without an error. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
  });
}

/**
 * Work that cannot be stopped, such as a request to a broker that hangs: after an abort nobody waits for it any longer, and what becomes of it is not looked at.
 * @throws what `work` throws, or the signal's reason
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const aborted = (): void => reject(signal.reason as Error);
    // Taken off again each time: a signal that lives for years must not collect one listener for each request.
    const settled = (): void => signal.removeEventListener('abort', aborted);
    if (signal.aborted) aborted();
    else signal.addEventListener('abort', aborted);
    work.then(resolve, reject).finally(settled);
  });
}

/** Waits for work to end, well or badly, but no longer than this; it then goes on by itself. */
export async function waitAtMost(work: Promise<unknown>, milliseconds: number): Promise<void> {
  const ended = new AbortController();
  const settled = work.then(
    () => ended.abort(),
    () => ended.abort(),
  );
  await Promise.race([settled, delay(milliseconds, ended.signal)]);
}
