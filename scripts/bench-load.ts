import { Pool } from 'undici';

/** Requests per second that a server answers under a fixed number of callers. */
export interface Load {
  readonly method: 'GET' | 'POST';
  /** Below the base. */
  readonly path: (number: number) => string;
  readonly body?: (number: number) => string;
}

const CALLERS = 64;
const WARM_UP_MS = 1_500;

/** @returns answers per second over `measureMs`, after a warm-up. @throws {Error} when one answer is no success */
export async function measure(base: string, load: Load, measureMs: number): Promise<number> {
  const url = new URL(base);
  const pool = new Pool(url.origin, { connections: CALLERS, pipelining: 1 });
  let number = 0;
  let answered = 0;
  const until = async (endMs: number): Promise<void> => {
    while (performance.now() < endMs) {
      const current = number++;
      const response = await pool.request({
        method: load.method,
        path: `${url.pathname}/${load.path(current)}`,
        headers: {
          accept: 'application/fhir+json',
          ...(load.body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
        },
        body: load.body?.(current) ?? null,
      });
      const text = await response.body.text();
      if (response.statusCode >= 300)
        throw new Error(`${load.method} answered ${response.statusCode}: ${text.slice(0, 500)}`);
      answered += 1;
    }
  };
  const phase = (durationMs: number): Promise<unknown> => {
    const endMs = performance.now() + durationMs;
    return Promise.all(Array.from({ length: CALLERS }, () => until(endMs)));
  };
  await phase(WARM_UP_MS);
  answered = 0;
  const startedMs = performance.now();
  await phase(measureMs);
  const perSecond = (answered * 1000) / (performance.now() - startedMs);
  await pool.close();
  return perSecond;
}

/** The median of several measurements, which alternate between two servers so that both meet the same machine. */
export async function compare(
  ours: string,
  baseline: string,
  load: Load,
  options: { readonly rounds: number; readonly measureMs: number },
): Promise<{ readonly ours: number; readonly baseline: number }> {
  const found = { ours: [] as number[], baseline: [] as number[] };
  for (let round = 0; round < options.rounds; round += 1) {
    found.baseline.push(await measure(baseline, load, options.measureMs));
    found.ours.push(await measure(ours, load, options.measureMs));
  }
  return { ours: median(found.ours), baseline: median(found.baseline) };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
