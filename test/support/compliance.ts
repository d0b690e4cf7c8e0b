import { randomBytes } from 'node:crypto';
import { createCompliance } from '../../src/compliance/queries.ts';
import type {
  Compliance,
  ComplianceView,
  UpstreamVersionText,
  VersionAddress,
} from '../../src/compliance/compliance.ts';
import type { ProofState } from '../../src/ledger/ledger-view.ts';
import { emptyLedgerView } from './ledger-view.ts';
import type { TestProvenance } from './provenance.ts';

export interface TestCompliance {
  readonly compliance: Compliance;
  /** `Type/id/_history/versionId` → text as the upstream has it today; `Type/id` → `deleted`. */
  readonly upstream: Map<string, string>;
  readonly seen: Map<string, { proof?: ProofState; event?: Uint8Array }>;
}

export const view: ComplianceView = { auditUrl: 'http://gateway.example/audit', onlyPatient: undefined };

export function openCompliance({ store, recorder, queries, clock }: TestProvenance): TestCompliance {
  const upstream = new Map<string, string>();
  const seen: TestCompliance['seen'] = new Map();
  const compliance = createCompliance({
    member: 'hospital',
    store,
    recorder,
    queries,
    ledger: emptyLedgerView(seen),
    readVersion: ({ type, id, versionId }: VersionAddress): Promise<UpstreamVersionText> => {
      const text = upstream.get(`${type}/${id}/_history/${versionId}`);
      return Promise.resolve(text === undefined ? { state: 'missing' } : { state: 'found', text });
    },
    isDeleted: ({ type, id }) => Promise.resolve(upstream.get(`${type}/${id}`) === 'deleted'),
    peerTags: () => undefined,
    context: () => ({ ruleSet: 'a'.repeat(64), packages: [], engine: 'concordat 0.1.0' }),
    clock: () => clock.nowMs,
    random: (length) => randomBytes(length),
  });
  return { compliance, upstream, seen };
}
