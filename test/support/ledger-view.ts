import type { LedgerView, ProofState } from '../../src/ledger/ledger-view.ts';

/** A replica that has seen nothing but what a test says it has. */
export function emptyLedgerView(seen: Map<string, { proof?: ProofState; event?: Uint8Array }> = new Map()): LedgerView {
  const nothing = (): undefined => undefined;
  return {
    origin: 'ledger.example/test',
    member: 'hospital',
    originKey: undefined,
    genesisBytes: () => new Uint8Array(0),
    policyFile: () => '',
    checkpoint: nothing,
    tile: nothing,
    entryBundle: nothing,
    history: nothing,
    badBodies: () => [],
    past: [],
    blob: nothing,
    receipt: () => ({ state: 'unknown' }),
    proofState: (eventId) => seen.get(eventId)?.proof ?? { state: 'unknown' },
    event: (eventId) => seen.get(eventId)?.event,
    taggedBatches: () => [],
    finalTime: nothing,
    head: nothing,
    members: () => [],
    ruleSet: () => ({ index: 1, digest: 'a'.repeat(64) }),
    acceptableRuleSets: () => [{ index: 1, digest: 'a'.repeat(64) }],
    governance: () => {
      throw new TypeError('not asked here');
    },
    evidenceNames: () => [],
    evidence: nothing,
    addCheckpoint: () => Promise.resolve({ status: 503 }),
    status: () => {
      throw new TypeError('not asked here');
    },
  };
}
