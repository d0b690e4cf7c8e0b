import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compare } from './bench-load.ts';
import type { Load } from './bench-load.ts';
import { startServerProcess, startUpstreamProcess } from './bench-processes.ts';
import type { BenchProcess } from './bench-processes.ts';
import { readArguments, readCount, readOutputFile } from './read-arguments.ts';

/**
 * What the gateway costs: `npm run bench`. Every row stands beside a bare Express and undici proxy on the same
 * upstream in the same run, since machines differ more than programs do.
 */
interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

const USAGE = `usage: npm run bench -- [options]
  --json FILE  write the rows for programs
  --rounds N   measurements of each row (3)
  --seconds N  length of each (4)
  --events N   events to replicate (300000)`;
const values = readArguments(USAGE, {
  json: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '4' },
  events: { type: 'string', default: '300000' },
});
const settings = {
  rounds: readCount(USAGE, 'rounds', values.rounds),
  measureMs: 1000 * readCount(USAGE, 'seconds', values.seconds),
};
const events = readCount(USAGE, 'events', values.events);
const jsonFile = readOutputFile(USAGE, 'json', values.json);
const dir = mkdtempSync(join(tmpdir(), 'concordat-bench-'));
const running: BenchProcess[] = [];
const rows: Row[] = [];

try {
  const upstream = await started(startUpstreamProcess(dir));
  const proxy = await started(startServerProcess('proxy', upstream.url, dir));
  const pass = await started(startServerProcess('pass', upstream.url, dir));
  const gateway = await started(startServerProcess('gateway', upstream.url, dir));
  const ids = await seed(upstream.url, 200);
  const read: Load = { method: 'GET', path: (number) => `Observation/${ids[number % ids.length] ?? ''}` };
  const create: Load = { method: 'POST', path: () => 'Observation', body: observation };
  await row('read', pass, proxy, read);
  await row('recorded read', gateway, proxy, read);
  await row('create', gateway, proxy, create);
  for (const process of running.splice(0).reverse()) await process.stop();
  show(await replicate(join(dir, 'ledger.json')));
} finally {
  for (const process of running.reverse()) await process.stop();
  rmSync(dir, { recursive: true, force: true });
}
if (jsonFile !== undefined) writeFileSync(jsonFile, `${JSON.stringify(rows, null, 2)}\n`);

async function started(starting: Promise<BenchProcess>): Promise<BenchProcess> {
  const process = await starting;
  running.push(process);
  return process;
}

async function row(name: string, ours: BenchProcess, proxy: BenchProcess, load: Load): Promise<void> {
  const found = await compare(ours.url, proxy.url, load, settings);
  const baseline = { name: 'bare Express + undici proxy', value: round(found.baseline) };
  show({ name, value: round(found.ours), unit: '1/s', baseline, ratio: round(found.ours / found.baseline, 1000) });
}

/** The ledger's own bench has the row; here it stands under the name of the main job. */
async function replicate(file: string): Promise<Row> {
  const program = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'bench-ledger.ts')];
  const part = ['--only', 'replicate', '--events', String(events), '--json', file];
  await promisify(execFile)(process.execPath, [...program, ...part]);
  const found = (JSON.parse(readFileSync(file, 'utf8')) as Row[]).find(({ name }) =>
    name.startsWith('replicate + verify'),
  );
  if (found?.baseline === undefined) throw new TypeError('the bench of the ledger has no row for replication');
  const baseline = { name: found.baseline.name, value: round(found.baseline.value) };
  return {
    name: 'replicate',
    value: round(found.value),
    unit: found.unit,
    baseline,
    ratio: round(found.value / found.baseline.value, 1000),
  };
}

function show(row: Row): void {
  rows.push(row);
  const beside =
    row.baseline === undefined ? '' : `   ${row.baseline.name} ${row.baseline.value}, ratio ${row.ratio ?? 0}`;
  console.log(`${row.name.padEnd(14)} ${String(row.value).padStart(10)} ${row.unit}${beside}`);
}

function round(value: number, parts = 10): number {
  return Math.round(value * parts) / parts;
}

async function seed(url: string, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const answer = await fetch(`${url}/Observation`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: observation(number),
    });
    ids.push(((await answer.json()) as { id: string }).id);
  }
  return ids;
}

/** A laboratory result of about 1.4 kB that says which profile it follows. */
function observation(number: number): string {
  return JSON.stringify({
    resourceType: 'Observation',
    meta: { profile: ['http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab'] },
    identifier: [{ system: 'https://lab.example/results', value: `result-${number}` }],
    status: 'final',
    category: [
      {
        coding: [
          {
            system: 'http://terminology.hl7.org/CodeSystem/observation-category',
            code: 'laboratory',
            display: 'Laboratory',
          },
        ],
        text: 'Laboratory',
      },
    ],
    code: {
      coding: [{ system: 'http://loinc.org', code: '2339-0' }],
      text: 'Glucose',
    },
    subject: { reference: `Patient/p${number % 50}` },
    effectiveDateTime: '2026-03-01T10:00:00Z',
    issued: '2026-03-01T10:15:00.000Z',
    performer: [{ reference: 'Organization/lab', display: 'Central laboratory' }],
    valueQuantity: { value: 80 + (number % 60), unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
    referenceRange: [
      {
        low: { value: 70, unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
        high: { value: 110, unit: 'mg/dL', system: 'http://unitsofmeasure.org', code: 'mg/dL' },
        text: '70 to 110 mg/dL, fasting',
      },
    ],
    note: [{ text: 'Sample taken in the morning; no haemolysis seen.' }],
  });
}
