import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type {
  Caller,
  Digests,
  ExchangeIntent,
  ExchangeOutcome,
  RecordEntity,
} from '../../src/provenance/exchange-record.ts';
import { ProvenanceStore } from '../../src/provenance/provenance-store.ts';
import { ExchangeRecorder, type RecorderOptions } from '../../src/provenance/recorder.ts';
import { RecordQueries } from '../../src/provenance/record-queries.ts';

export interface TestProvenance {
  readonly dataDir: string;
  readonly masterKey: Uint8Array;
  readonly store: ProvenanceStore;
  readonly recorder: ExchangeRecorder;
  readonly queries: RecordQueries;
  readonly clock: { nowMs: number };
  /** As after a `kill -9`: nothing is flushed or told, the stores are opened anew. */
  reopen(masterKey?: Uint8Array): TestProvenance;
}

/** A recorder on real stores in a temporary folder that goes with the test. */
export function openProvenance(t: TestContext, options: Partial<RecorderOptions> = {}): TestProvenance {
  const dataDir = mkdtempSync(join(tmpdir(), 'concordat-provenance-'));
  const stores = new Set<ProvenanceStore>();
  t.after(() => {
    for (const store of stores) if (store.database.isOpen) store.close();
    rmSync(dataDir, { recursive: true });
  });
  const clock = { nowMs: Date.parse('2026-03-01T10:00:00Z') };
  const open = (masterKey: Uint8Array): TestProvenance => {
    const store = new ProvenanceStore({ dataDir, masterKey });
    stores.add(store);
    const recorder = new ExchangeRecorder({
      store,
      writer: 'gateway-1',
      outboxLimit: 1000,
      rules: () => 1,
      clock: () => clock.nowMs,
      random: (length) => randomBytes(length),
      onCommitted: () => undefined,
      ...options,
    });
    const queries = new RecordQueries(store, recorder.vault);
    const reopen = (next = masterKey): TestProvenance => {
      if (store.database.isOpen) store.close();
      stores.delete(store);
      return open(next);
    };
    return { dataDir, masterKey, store, recorder, queries, clock, reopen };
  };
  return open(randomBytes(32));
}

export function digestsOf(text: string): Digests {
  const digest = createHash('sha256').update(text).digest('hex');
  return { b1: digest, f1: digest };
}

export function makeCaller(changes: Partial<Caller> = {}): Caller {
  return {
    issuer: 'https://ids.example',
    subject: 'subject-1',
    clientId: 'ehr-client',
    user: 'https://ids.example/Practitioner/7',
    organisation: 'Hospital',
    purpose: 'TREAT',
    patient: undefined,
    ...changes,
  };
}

export function makeEntity(changes: Partial<RecordEntity> = {}): RecordEntity {
  return {
    upstream: 'ehr',
    type: 'Observation',
    id: 'o1',
    versionId: '1',
    profiles: [],
    patients: ['p1'],
    sent: undefined,
    stored: digestsOf('o1'),
    entry: undefined,
    interaction: 'read',
    ...changes,
  };
}

export function makeIntent(changes: Partial<ExchangeIntent> = {}): ExchangeIntent {
  return {
    requestId: 'request-1',
    caller: makeCaller(),
    interaction: 'read',
    kind: 'disclosed',
    upstream: 'ehr',
    resourceType: 'Observation',
    resourceId: 'o1',
    parameters: undefined,
    entities: [],
    ...changes,
  };
}

export function makeOutcome(changes: Partial<ExchangeOutcome> = {}): ExchangeOutcome {
  return {
    kind: 'disclosed',
    status: 200,
    outcome: '0',
    entities: [makeEntity()],
    issues: [],
    ruleSet: 'a'.repeat(64),
    packages: ['hl7.fhir.r4.core#4.0.1'],
    engine: 'concordat 0.1.0',
    ...changes,
  };
}

/** Records one whole exchange. @returns its event id */
export async function record(
  recorder: ExchangeRecorder,
  intent: Partial<ExchangeIntent> = {},
  outcome: Partial<ExchangeOutcome> = {},
): Promise<string> {
  const whole = makeIntent(intent);
  const exchange = await recorder.begin(whole);
  await recorder.complete(exchange, whole, makeOutcome({ kind: whole.kind, ...outcome }));
  return exchange.eventId;
}

/** Records a create of one resource. */
export async function recordCreate(recorder: ExchangeRecorder, entity: Partial<RecordEntity>): Promise<string> {
  const stored = makeEntity({ interaction: 'create', sent: digestsOf('sent'), ...entity });
  return record(
    recorder,
    {
      interaction: 'create',
      kind: 'received',
      resourceType: stored.type,
      resourceId: undefined,
      entities: [{ ...stored, id: undefined, versionId: undefined, stored: undefined }],
    },
    { status: 201, entities: [stored] },
  );
}

/** Every byte of every file in a folder, as Latin-1 text. */
export function bytesOfFolder(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, 'latin1'))
    .join('\n');
}
