import { writeFileSync } from 'node:fs';

/** One measured figure, as every bench writes it with `--json FILE`. */
export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

/** A row beside its baseline from the same run. */
export function compared(row: Omit<Row, 'ratio'>): Row {
  return row.baseline === undefined ? row : { ...row, ratio: round(row.value / row.baseline.value) };
}

export function perSecond(count: number, startedMs: number): number {
  return Math.round((count * 1000) / (performance.now() - startedMs));
}

export function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function printRow({ name, value, unit, baseline, ratio }: Row): void {
  const beside =
    baseline === undefined ? '' : `  (${baseline.name}: ${String(baseline.value)}; ratio ${(ratio ?? 0).toFixed(3)})`;
  console.log(`${name.padEnd(44)} ${String(value).padStart(10)} ${unit}${beside}`);
}

export function writeRows(file: string, rows: readonly Row[]): void {
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}
