import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExchangeIntent, RecordEntity } from '../src/provenance/exchange-record.ts';
import { ProvenanceStore } from '../src/provenance/provenance-store.ts';
import { ExchangeRecorder } from '../src/provenance/recorder.ts';

/** How many exchanges a second one gateway can record durably, and what one costs in processor time: `node scripts/bench-recorder.ts [exchanges]`. */
const EXCHANGES = Number(process.argv[2] ?? 20_000);
const digests = { b1: 'a'.repeat(64), f1: 'b'.repeat(64) };

const dataDir = mkdtempSync(join(tmpdir(), 'concordat-bench-recorder-'));
const store = new ProvenanceStore({ dataDir, masterKey: randomBytes(32) });
const recorder = new ExchangeRecorder({
  store,
  writer: 'bench',
  outboxLimit: Number.MAX_SAFE_INTEGER,
  rules: () => 0,
  clock: Date.now,
  random: (length) => randomBytes(length),
  onCommitted: () => undefined,
  dataDir,
});

async function exchange(number: number, isWrite: boolean): Promise<void> {
  const entity: RecordEntity = {
    upstream: 'ehr',
    type: 'Observation',
    id: `o${number}`,
    versionId: '1',
    profiles: ['http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab'],
    patients: [`p${number % 500}`],
    sent: isWrite ? digests : undefined,
    stored: digests,
    entry: undefined,
    interaction: isWrite ? 'create' : 'read',
  };
  const intent: ExchangeIntent = {
    requestId: `request-${number}`,
    caller: {
      issuer: 'https://ids.example',
      subject: 'subject',
      clientId: 'client',
      user: 'Practitioner/1',
      organisation: 'Hospital',
      purpose: 'TREAT',
      patient: undefined,
    },
    interaction: entity.interaction,
    kind: isWrite ? 'received' : 'disclosed',
    upstream: 'ehr',
    resourceType: 'Observation',
    resourceId: isWrite ? undefined : entity.id,
    parameters: undefined,
    entities: isWrite ? [{ ...entity, id: undefined, stored: undefined }] : [],
  };
  const open = await recorder.begin(intent);
  await recorder.complete(open, intent, {
    kind: intent.kind,
    status: 200,
    outcome: '0',
    entities: [entity],
    issues: [],
    ruleSet: 'd'.repeat(64),
    packages: ['hl7.fhir.r4.core#4.0.1', 'hl7.fhir.us.core#6.1.0', 'hl7.terminology.r4#7.0.1'],
    engine: 'concordat',
  });
}

async function measure(isWrite: boolean, concurrency: number, from: number): Promise<void> {
  const exchanges = concurrency === 1 ? EXCHANGES / 10 : EXCHANGES;
  let next = from;
  const startedMs = performance.now();
  const before = process.cpuUsage();
  const work = async (): Promise<void> => {
    while (next < from + exchanges) await exchange(next++, isWrite);
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  const tookMs = performance.now() - startedMs;
  const used = process.cpuUsage(before);
  const rate = Math.round((exchanges / tookMs) * 1000);
  const cpu = ((used.user + used.system) / exchanges).toFixed(0);
  console.log(
    `${isWrite ? 'write' : 'read '} ${String(concurrency).padStart(3)} at once: ${rate}/s, ${cpu} µs of processor each`,
  );
}

try {
  let from = 0;
  for (const isWrite of [false, true]) {
    for (const concurrency of [1, 16, 64, 256]) {
      await measure(isWrite, concurrency, from);
      from += EXCHANGES;
    }
  }
} finally {
  recorder.close();
  store.close();
  rmSync(dataDir, { recursive: true });
}
