import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { formatCheckpoint } from '../../src/ledger/checkpoint.ts';
import { cosign } from '../../src/ledger/cosignature.ts';
import { formatEvidence, parseEvidence, verifyEvidence } from '../../src/ledger/evidence-file.ts';
import type { Evidence } from '../../src/ledger/evidence-file.ts';
import { formatNote, signText, verifyNote } from '../../src/ledger/note.ts';
import type { CheckNote } from '../../src/ledger/note.ts';
import type { NoteSigner } from '../../src/ledger/note-key.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent, ORIGIN, signingMember, SmallLog } from './support/small-log.ts';
import { refuses } from './support/trees.ts';

const liar = signingMember('payer');
const keysOf = (member: string) => {
  if (member !== 'payer') return undefined;
  return { batchKeys: [liar.batch.key], checkpointKeys: [liar.origin.key, liar.cosigner.key] };
};
const check = (evidence: Evidence | Uint8Array) => {
  return verifyEvidence({
    evidence: evidence instanceof Uint8Array ? evidence : formatEvidence(evidence),
    origin: ORIGIN,
    keysOf,
  });
};

/** Two views of one log by a member that shows each to somebody else. */
function fork(): { readonly left: SmallLog; readonly right: SmallLog } {
  const [left, right] = [new SmallLog(), new SmallLog()];
  left.appendBatch('payer', [exampleEvent('left')]);
  right.appendBatch('payer', [exampleEvent('right')]);
  right.appendCut('payer');
  right.appendCut('payer');
  return { left, right };
}

function signedTree(size: number, root: Uint8Array, signer: NoteSigner, origin = ORIGIN): Uint8Array {
  const text = formatCheckpoint({ origin, size, root });
  return formatNote(text, [signer.key.type === 0x04 ? cosign(text, signer, 5) : signText(text, signer)]);
}

const { left, right } = fork();
const batches: Evidence = { kind: 'two-batches', member: 'payer', first: headerOf(left), second: headerOf(right) };
const sameSize: Evidence = {
  kind: 'two-trees',
  member: 'payer',
  first: signedTree(2, left.root(2), liar.cosigner),
  second: signedTree(2, right.root(2), liar.origin),
  connection: undefined,
};
const otherSize: Evidence = {
  ...sameSize,
  second: signedTree(4, right.root(4), liar.cosigner),
  connection: { root: right.root(2), path: right.consistencyProof(2, 4) },
};

function headerOf(log: SmallLog): Uint8Array {
  const record = log.records[1] as Uint8Array;
  const length = new DataView(record.buffer, record.byteOffset).getUint32(1);
  return record.slice(5, 5 + length);
}

const synchronously: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));

describe('evidence', () => {
  for (const [name, evidence] of Object.entries({ batches, sameSize, otherSize })) {
    test(`${name}: holds, on both paths, and is read back as what was written`, async () => {
      assert.deepEqual(await check(evidence), evidence);
      assert.deepEqual(parseEvidence(formatEvidence(evidence)), evidence);
      const portable = verifyEvidence({
        evidence: formatEvidence(evidence),
        origin: ORIGIN,
        keysOf,
        checkNote: synchronously,
      });
      assert.deepEqual(await portable, evidence);
    });

    test(`${name}: one byte changed does not hold, or says the same`, async () => {
      const bytes = formatEvidence(evidence);
      for (let i = 0; i < bytes.length; i += 3) {
        for (const mutant of mutations(bytes, i)) await assert.rejects(check(mutant), AppError, `byte ${i}`);
      }
    });
  }

  test('what may both be true is no contradiction', async () => {
    await refuses('no-contradiction', check({ ...batches, second: batches.first }));
    const own = new SmallLog();
    const header = (i: number) => own.appendBatch('payer', [exampleEvent(`${i}`)]).built.header;
    await refuses('no-contradiction', check({ ...batches, first: header(1), second: header(2) }));
    await refuses('no-contradiction', check({ ...sameSize, second: signedTree(2, left.root(2), liar.origin) }));
    await refuses('no-contradiction', check({ ...sameSize, second: signedTree(4, right.root(4), liar.origin) }));
    const consistent = { ...otherSize, first: signedTree(2, right.root(2), liar.cosigner) };
    await refuses('no-contradiction', check(consistent));
  });

  test('what the member did not sign is not held against it', async () => {
    const other = signingMember('hospital');
    await refuses('bad-signature', check({ ...sameSize, second: signedTree(2, right.root(2), other.origin) }));
    await refuses('unknown-member', check({ ...sameSize, member: 'hospital' }));
    await refuses(
      'no-contradiction',
      check({
        ...batches,
        member: 'payer',
        first: new SmallLog().appendBatch('hospital', [exampleEvent('x')]).built.header,
      }),
    );
  });

  test('of another log is refused', async () => {
    await refuses(
      'wrong-log',
      check({ ...sameSize, second: signedTree(2, right.root(2), liar.cosigner, 'other.example') }),
    );
  });

  test('with a connection that proves nothing is refused', async () => {
    await refuses(
      ['root-mismatch', 'proof-length'],
      check({ ...otherSize, connection: { root: left.root(2), path: right.consistencyProof(2, 4) } }),
    );
    await refuses('proof-length', check({ ...otherSize, connection: { root: right.root(2), path: [] } }));
  });
});
