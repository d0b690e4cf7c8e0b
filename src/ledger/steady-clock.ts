/**
 * A clock for timers: where the one that is given is set back, it goes on from where it stood. Else nothing would be due again before that time is reached once
 * more, be it an hour or a day.
 * @param clock epoch ms
 */
export function steadyClock(clock: () => number): () => number {
  let lastMs = -Infinity;
  let addedMs = 0;
  return () => {
    const nowMs = clock();
    if (nowMs < lastMs) addedMs += lastMs - nowMs;
    lastMs = nowMs;
    return nowMs + addedMs;
  };
}
