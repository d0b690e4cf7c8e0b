import { parseArgs } from 'node:util';

export interface RunOptions {
  readonly runs: number;
  /** The first of them; the others follow. */
  readonly seed: number;
}

const USAGE = 'usage: npm run test:interleavings -- [--runs N (10000)] [--seed N (1)]';
const MAXIMUM_RUNS = 10_000_000;
const MAXIMUM_SEED = 2 ** 32 - 1;

/** Reads `--runs N --seed N`. @returns what is wrong, with the usage, where something is */
export function readOptions(args: readonly string[]): RunOptions | string {
  let values: { runs?: string; seed?: string };
  try {
    const options = { runs: { type: 'string' }, seed: { type: 'string' } } as const;
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
  const runs = numberOf(values.runs ?? '10000', 1, MAXIMUM_RUNS);
  const seed = numberOf(values.seed ?? '1', 0, MAXIMUM_SEED);
  if (runs === undefined) return wrong(`--runs takes a whole number from 1 to ${String(MAXIMUM_RUNS)}`);
  if (seed === undefined) return wrong(`--seed takes a whole number from 0 to ${String(MAXIMUM_SEED)}`);
  if (seed + runs - 1 > MAXIMUM_SEED) return wrong(`the last seed would be above ${String(MAXIMUM_SEED)}`);
  return { runs, seed };
}

function wrong(message: string): string {
  return `${message}\n${USAGE}`;
}

function numberOf(text: string, minimum: number, maximum: number): number | undefined {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  return value >= minimum && value <= maximum ? value : undefined;
}
