const REPEAT_MS = 1_000;

/**
 * Resolves when the process is told to stop: by SIGTERM, by Ctrl-C, or because the process that started it is gone. A later signal ends it at once.
 * Ctrl-C reaches a whole group of processes, and npm passes it on once more: a child leaves it to the one that started it, and what comes
 * within a second of the first signal is the same Ctrl-C.
 */
export function stopSignal(): Promise<void> {
  const isChild = process.connected;
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const onSignal = (): void => {
      const nowMs = Date.now();
      if (firstMs !== undefined && nowMs - firstMs > REPEAT_MS) process.exit(130);
      firstMs ??= nowMs;
      resolve();
    };
    process.on('SIGINT', isChild ? () => undefined : onSignal);
    process.on('SIGTERM', onSignal);
    process.once('disconnect', () => resolve());
  });
}
