import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTopicPlace } from './bench-ledger-broker.ts';
import { benchFinality } from './bench-ledger-finality.ts';
import { benchGrowth } from './bench-ledger-growth.ts';
import { BenchProcesses } from './bench-ledger-process.ts';
import { benchReplicate } from './bench-ledger-replicate.ts';
import { printRow, writeRows, type Row } from './bench-ledger-row.ts';
import { benchSeal } from './bench-ledger-seal.ts';
import { benchWrites } from './bench-ledger-writes.ts';
import { deleteBenchTopics, type TopicPlace } from './bench-ledger-topic.ts';
import { endWithUsage, readArguments, readCount, readOutputFile } from './read-arguments.ts';

/** Measures the ledger: see docs/performance.md. */
const PARTS = ['seal', 'replicate', 'finality', 'writes'] as const;
const ON_TOPICS = ['replicate', 'finality', 'writes', 'growth'];
const USAGE = `usage: npm run bench:ledger -- [options]
  --events N             events to replicate (1000000)
  --json FILE            write the rows for programs
  --brokers HOST:PORT,…  an existing Kafka cluster; else a broker is started for the run
  --only PART,…          of ${PARTS.join(', ')}
  --no-tessera           leave Tessera out of the writes
  --growth N,N,…         replicate logs of these sizes instead, each in a process of its own`;
const values = readArguments(USAGE, {
  events: { type: 'string', default: '1000000' },
  json: { type: 'string' },
  brokers: { type: 'string' },
  only: { type: 'string', default: PARTS.join(',') },
  growth: { type: 'string' },
  'no-tessera': { type: 'boolean', default: false },
});
const events = readCount(USAGE, 'events', values.events);
const growth = values.growth?.split(',').map((size) => readCount(USAGE, 'growth', size));
const jsonFile = readOutputFile(USAGE, 'json', values.json);
const parts = growth === undefined ? values.only.split(',') : ['growth'];
for (const part of values.only.split(','))
  if (!PARTS.some((known) => known === part)) endWithUsage(USAGE, `--only has no part '${part}'`);

const folder = mkdtempSync(join(tmpdir(), 'concordat-bench-'));
const processes = new BenchProcesses();
const givenBrokers = values.brokers?.split(',');
const places: TopicPlace[] = [];
const interrupted = new AbortController();

async function measure(): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const add = (made: readonly Row[]): void => {
    for (const row of made) printRow(row);
    rows.push(...made);
  };
  if (parts.includes('seal')) add(benchSeal(folder));
  if (!parts.some((part) => ON_TOPICS.includes(part))) return rows;
  const { place, said } = await findTopicPlace({ processes, folder, brokers: givenBrokers });
  places.push(place);
  console.log(said);
  if (growth !== undefined) await benchGrowth(growth, { processes, place, folder }, add);
  if (parts.includes('replicate')) add(await benchReplicate({ processes, place, folder, events }));
  if (parts.includes('finality')) add(await benchFinality(place, folder));
  const withTessera = !values['no-tessera'];
  if (parts.includes('writes')) add(await benchWrites({ processes, place, folder, withTessera }));
  return rows;
}

/** A broker of this run goes with its folder; on a cluster that was given, the topics of this run are deleted. */
async function putAway(): Promise<void> {
  await processes.endAll();
  if (givenBrokers !== undefined) for (const place of places) await deleteBenchTopics(place);
  rmSync(folder, { recursive: true, force: true });
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => {
    interrupted.abort();
    void putAway().finally(() => process.exit(code));
  });
try {
  const rows = await measure();
  if (jsonFile !== undefined) writeRows(jsonFile, rows);
  await putAway();
} catch (error) {
  // What fails because of an interruption is no news, and its handler ends the process.
  if (!interrupted.signal.aborted) {
    await putAway();
    throw error;
  }
}
