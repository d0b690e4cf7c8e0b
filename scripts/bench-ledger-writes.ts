import type { BenchProcesses } from './bench-ledger-process.ts';
import { compared, type Row } from './bench-ledger-row.ts';
import type { TopicPlace } from './bench-ledger-topic.ts';
import type { WriterAnswer, WriterTask } from './bench-ledger-writer-process.ts';
import type { TesseraAnswer, TesseraTask } from './bench-tessera-process.ts';
import { findTessera } from './bench-tessera.ts';

const IN_FLIGHT = 1024;
const SECONDS = 10;

/** What one member can write, by itself and under Tessera's hammer, beside Tessera under the same hammer. */
export async function benchWrites(options: {
  readonly processes: BenchProcesses;
  readonly place: TopicPlace;
  readonly folder: string;
  readonly withTessera: boolean;
}): Promise<readonly Row[]> {
  const { processes, place, folder, withTessera } = options;
  const writer: WriterTask = { place, folder, inFlight: IN_FLIGHT, seconds: SECONDS };
  const { sequencedPerSecond, url } = await processes.start<WriterAnswer>('bench-ledger-writer-process.ts', writer);
  const sequenced: Row = { name: 'commit to sequenced', value: sequencedPerSecond, unit: 'events/s' };
  if (!withTessera) return [sequenced];
  const programs = await findTessera();
  if (typeof programs === 'string') {
    console.log(`Tessera is left out: ${programs}`);
    return [sequenced];
  }
  const task: TesseraTask = { programs, folder, writers: IN_FLIGHT, seconds: SECONDS, ourUrl: url };
  const { tesseraPerSecond, ourPerSecond } = await processes.run<TesseraAnswer>('bench-tessera-process.ts', task);
  const baseline = { name: 'Tessera v1.0.4 under the same hammer', value: tesseraPerSecond };
  return [
    sequenced,
    compared({ name: 'writes over HTTP', value: ourPerSecond, unit: 'events/s', baseline }),
    { name: 'Tessera v1.0.4 writes', value: tesseraPerSecond, unit: 'entries/s' },
  ];
}
