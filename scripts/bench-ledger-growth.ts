import { benchReplicate } from './bench-ledger-replicate.ts';
import { round, type Row } from './bench-ledger-row.ts';

/**
 * The rows of replication at several sizes, each in processes of its own, and by how much resident memory grows from the last size but one to the last.
 * @param sizes events, smallest first
 * @param onRows told after each size
 */
export async function benchGrowth(
  sizes: readonly number[],
  options: Omit<Parameters<typeof benchReplicate>[0], 'events'>,
  onRows: (rows: readonly Row[]) => void,
): Promise<void> {
  const residentMiB: number[] = [];
  for (const events of sizes) {
    const rows = await benchReplicate({ ...options, events });
    onRows(rows.map((row) => ({ ...row, name: `${row.name} at ${String(events)} events` })));
    residentMiB.push(rows.find(({ name }) => name === 'resident memory')?.value ?? 0);
  }
  const [before, last] = residentMiB.slice(-2);
  if (before === undefined || last === undefined) return;
  const name = `resident memory growth, ${sizes.slice(-2).map(String).join(' to ')} events`;
  onRows([{ name, value: round((last / before - 1) * 100), unit: '%' }]);
}
