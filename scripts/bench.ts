import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compare } from './bench-load.ts';
import type { Load } from './bench-load.ts';
import { startServerProcess, startUpstreamProcess } from './bench-processes.ts';
import type { BenchProcess } from './bench-processes.ts';

/**
 * What the gateway costs: `npm run bench -- [--json FILE] [--rounds N] [--seconds N]`. Every row stands beside a bare Express and undici proxy on the same
 * upstream in the same run, since machines differ more than programs do.
 */
interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline?: { readonly name: string; readonly value: number };
  readonly ratio?: number;
}

const { values } = parseArgs({
  options: { json: { type: 'string' }, rounds: { type: 'string' }, seconds: { type: 'string' } },
});
const settings = { rounds: Number(values.rounds ?? 3), measureMs: 1000 * Number(values.seconds ?? 4) };
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
} finally {
  for (const process of running.reverse()) await process.stop();
  rmSync(dir, { recursive: true, force: true });
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);

async function started(starting: Promise<BenchProcess>): Promise<BenchProcess> {
  const process = await starting;
  running.push(process);
  return process;
}

async function row(name: string, ours: BenchProcess, proxy: BenchProcess, load: Load): Promise<void> {
  const found = await compare(ours.url, proxy.url, load, settings);
  const ratio = found.ours / found.baseline;
  rows.push({
    name,
    value: round(found.ours),
    unit: '1/s',
    baseline: { name: 'bare Express + undici proxy', value: round(found.baseline) },
    ratio: Math.round(ratio * 1000) / 1000,
  });
  console.log(
    `${name.padEnd(16)} ${round(found.ours)} 1/s, bare proxy ${round(found.baseline)} 1/s, ratio ${ratio.toFixed(2)}`,
  );
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
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
