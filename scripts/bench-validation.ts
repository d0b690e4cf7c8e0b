/**
 * Validation speed on one thread, full issues, no verdict cache, after warm-up:
 * `npm run bench:validation -- [--us-core PATH]… [--base PATH]… [--hl7 RUN_SH] [--seconds N] [--json FILE]`.
 * PATH is a Bundle (`.json`, `.json.gz`) or a folder of them, whose entries are validated; without it, the carried US Core bundles and Synthea patients.
 * Rates are by the thread's processor time, so that what else the machine does counts for no validator.
 * `--hl7` is a program that takes `--reuse --rest-refs --allow-examples --out FILE INPUT` and validates NDJSON with the HL7 Java validator.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import type { Resource, StructureDefinition } from '@medplum/fhirtypes';
import { loadPackages } from '../src/validation/packages/load-packages.ts';
import { createValidatorFor } from '../src/validation/validator-factory.ts';
import type { Validator } from '../src/validation/validator.ts';

interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same by `@medplum/core`, and by the HL7 Java validator, in this run. */
  readonly medplum?: number | undefined;
  readonly hl7?: number | undefined;
}

type Json = { readonly resourceType?: string; readonly [key: string]: unknown };

const usCore = 'hl7.fhir.us.core#6.1.0';
const { values } = parseArgs({
  options: {
    'us-core': { type: 'string', multiple: true },
    base: { type: 'string', multiple: true },
    hl7: { type: 'string' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'string' },
    start: { type: 'boolean', default: false },
  },
});

function bundledResources(paths: readonly string[]): Json[] {
  const files = paths.flatMap((path) => {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => /\.json(\.gz)?$/.test(name))
      .sort()
      .map((name) => join(path, name));
  });
  return files.flatMap((name) => {
    const bytes = readFileSync(name);
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    const bundle = JSON.parse(text) as { entry?: { resource?: Json }[] };
    return (bundle.entry ?? []).flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  });
}

function carried(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

async function validatorWith(packages: readonly string[]): Promise<Validator> {
  return createValidatorFor({ packages: await loadPackages({ packages }), policy: 'hl7' });
}

function cpuSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e6;
}

/** Rounds over all resources until the time is up; the first two rounds warm up. */
function perSecond(count: number, round: () => void, seconds: number): number {
  round();
  round();
  let rounds = 0;
  const start = cpuSeconds();
  while (rounds === 0 || cpuSeconds() - start < seconds) {
    round();
    rounds++;
  }
  return (rounds * count) / (cpuSeconds() - start);
}

function measure(validator: Validator, resources: readonly Json[], seconds: number): number {
  return perSecond(
    resources.length,
    () => resources.forEach((resource) => void validator.validate({ resource })),
    seconds,
  );
}

function measureTexts(validator: Validator, resources: readonly Json[], seconds: number): number {
  const texts = resources.map((resource) => JSON.stringify(resource));
  return perSecond(texts.length, () => texts.forEach((text) => void validator.validate({ text })), seconds);
}

/** Some hundred resources a second at best, so one round over a sample. */
function measureMedplum(resources: readonly Json[], profiles: ReadonlyMap<string, StructureDefinition>): number {
  const step = Math.max(1, Math.floor(resources.length / 300));
  const sample = resources.filter((_resource, at) => at % step === 0);
  const validateOne = (resource: Json): void => {
    const declared = (resource['meta'] as { profile?: string[] } | undefined)?.profile ?? [];
    const known = declared.flatMap((url) => profiles.get(url) ?? []);
    for (const profile of known.length === 0 ? [undefined] : known) {
      try {
        validateResource(resource as unknown as Resource, profile === undefined ? {} : { profile });
      } catch {
        // An invalid resource is thrown as an outcome: it counts all the same.
      }
    }
  };
  sample.slice(0, 50).forEach(validateOne);
  const start = cpuSeconds();
  sample.forEach(validateOne);
  return sample.length / (cpuSeconds() - start);
}

async function medplumProfiles(): Promise<Map<string, StructureDefinition>> {
  const set = await loadPackages({ packages: [usCore] });
  const definitions = set.root.list('StructureDefinition');
  const core = definitions.filter(
    ({ packageId, derivation }) => packageId.startsWith('hl7.fhir.r4.core#') && derivation !== 'constraint',
  );
  const entry = core.map((definition) => ({ resource: definition.resource as unknown as StructureDefinition }));
  indexStructureDefinitionBundle({ resourceType: 'Bundle', type: 'collection', entry });
  return new Map(
    definitions.map((definition) => [definition.url, definition.resource as unknown as StructureDefinition]),
  );
}

function measureHl7(program: string, resources: readonly Json[], packages: readonly string[]): number | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'concordat-bench-'));
  try {
    const input = join(directory, 'in.ndjson');
    writeFileSync(
      input,
      resources
        .slice(0, 2000)
        .map((resource) => JSON.stringify({ resource }))
        .join('\n'),
    );
    const guides = packages.flatMap((id) => ['--ig', id]);
    const run = spawnSync(
      program,
      ['--reuse', '--rest-refs', '--allow-examples', ...guides, '--out', join(directory, 'out.ndjson'), input],
      { encoding: 'utf8' },
    );
    const figures = /(\d+) resources in ([\d.]+) s/.exec(`${run.stdout}${run.stderr}`);
    return figures === null ? undefined : Number(figures[1]) / Number(figures[2]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** In a process of its own: from nothing to the first verdict, and what it then holds. */
async function start(): Promise<void> {
  const begin = performance.now();
  const validator = await validatorWith([usCore]);
  const profile = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';
  await validator.validate({ resource: { resourceType: 'Patient', meta: { profile: [profile] }, gender: 'unknown' } });
  console.log(JSON.stringify({ ms: performance.now() - begin, mb: process.memoryUsage().rss / 1e6 }));
}

function measureStart(): { ms: number; mb: number } {
  const run = (): { ms: number; mb: number } =>
    JSON.parse(
      execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', import.meta.filename, '--start'], {
        encoding: 'utf8',
      }),
    ) as { ms: number; mb: number };
  run();
  return run();
}

async function main(): Promise<void> {
  const seconds = Number(values.seconds);
  const profiled = bundledResources(values['us-core'] ?? [carried('../test/fixtures/uscore-bundles')]);
  const plain = bundledResources(values.base ?? [carried('../src/demo/patients')]);
  const withUsCore = await validatorWith([usCore]);
  const rows: Row[] = [];
  const profiles = await medplumProfiles();
  const { hl7 } = values;
  rows.push({
    name: 'us-core, one core',
    value: measure(withUsCore, profiled, seconds),
    unit: 'resources/s',
    medplum: measureMedplum(profiled, profiles),
    hl7: hl7 === undefined ? undefined : measureHl7(hl7, profiled, [usCore]),
  });
  rows.push({
    name: 'us-core from text, one core',
    value: measureTexts(withUsCore, profiled, seconds),
    unit: 'resources/s',
  });
  rows.push({
    name: 'base r4, one core',
    value: measure(await validatorWith([]), plain, seconds),
    unit: 'resources/s',
    medplum: measureMedplum(plain, new Map()),
    hl7: hl7 === undefined ? undefined : measureHl7(hl7, plain, []),
  });
  const { ms, mb } = measureStart();
  rows.push({ name: 'warm start', value: ms, unit: 'ms' }, { name: 'memory', value: mb, unit: 'MB' });
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify(rows.flatMap(rowsForPrograms), null, 2)}\n`);
  for (const { name, value, unit, medplum, hl7: java } of rows) {
    const others = [
      ...(medplum === undefined ? [] : [`@medplum/core ${medplum.toFixed(0)} (${(value / medplum).toFixed(1)} times)`]),
      ...(java === undefined ? [] : [`HL7 Java ${java.toFixed(0)} (${(value / java).toFixed(1)} times)`]),
    ];
    console.log([`${name.padEnd(30)} ${value.toFixed(0).padStart(8)} ${unit}`, ...others].join('; '));
  }
}

function rowsForPrograms({ name, value, unit, medplum, hl7 }: Row): object[] {
  const baseline =
    medplum === undefined ? {} : { baseline: { name: '@medplum/core', value: medplum }, ratio: value / medplum };
  const java = { name: `${name}, against HL7 Java`, value, unit };
  return [
    { name, value, unit, ...baseline },
    ...(hl7 === undefined
      ? []
      : [{ ...java, baseline: { name: 'HL7 Java validator', value: hl7 }, ratio: value / hl7 }]),
  ];
}

if (values.start) await start();
else await main();
