import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeUtf8, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { AppError } from '../../src/errors.ts';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import { verifyFinal } from '../../src/ledger/governance-history.ts';
import { genesisState } from '../../src/ledger/governance-state.ts';
import { buildInclusionProof } from '../../src/ledger/merkle/proof.ts';
import { VerificationError } from '../../src/ledger/merkle/verification-error.ts';
import { verifyNote } from '../../src/ledger/note.ts';
import type { CheckNote } from '../../src/ledger/note.ts';
import { buildPolicy, formatPolicy } from '../../src/ledger/policy.ts';
import { formatReceipt, parseReceipt } from '../../src/ledger/receipt.ts';
import type { Receipt } from '../../src/ledger/receipt.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import type { ReceiptFacts } from '../../src/ledger/verifier.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent, memberOf, signingMember, SmallLog } from './support/small-log.ts';
import { nodeReader, refuses } from './support/trees.ts';

const log = new SmallLog();
const events = [exampleEvent('a'), exampleEvent('b'), exampleEvent('c')];
log.appendBatch('payer', [exampleEvent('p')]);
const batch = log.appendBatch('hospital', events);
log.appendCut('clinics');
log.appendBatch('clinics', [exampleEvent('q')]);
const { genesis } = log;
const policy = formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: 3 }));
const text = log.receipt(batch, events, 1);
const receipt = encodeUtf8(text);
const parsed = parseReceipt(receipt);

function changed(change: Partial<Receipt>): Uint8Array {
  return encodeUtf8(formatReceipt({ ...parsed, ...change }));
}

describe('verifyReceipt', () => {
  test('tells what a receipt proves', async () => {
    const facts = await verifyReceipt({ receipt, genesis });
    assert.deepEqual(facts.eventBytes, events[1]);
    assert.deepEqual(facts.root, log.root());
    const { origin, index, size, position, eventNumber, writer, author, cosigners, cosignedSeconds } = facts;
    assert.deepEqual([origin, index, size, position, eventNumber], [log.origin, 2, 5, 1, 1]);
    assert.deepEqual(
      [writer, author, [...cosigners], cosignedSeconds],
      ['hospital-1', 'hospital', ['clinics', 'hospital', 'payer'], 1_790_000_000],
    );
  });

  test('with a policy alone leaves the author unchecked', async () => {
    assert.equal((await verifyReceipt({ receipt, policy })).author, 'not checked');
    assert.equal((await verifyReceipt({ receipt, policy, genesis })).author, 'hospital');
    await refuses('malformed-policy', verifyReceipt({ receipt }));
  });

  test('gives the same facts by WebCrypto and by node:crypto', async () => {
    const facts = await verifyReceipt({ receipt, genesis, policy });
    const checkNote: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));
    assert.deepEqual(await verifyReceipt({ receipt, genesis, policy, checkNote }), facts);
  });

  test('holds for every event of every batch size up to 9', async () => {
    const own = new SmallLog();
    for (let count = 1; count <= 9; count++) {
      const many = Array.from({ length: count }, (_, i) => exampleEvent(`${count} ${i}`));
      const sealed = own.appendBatch('payer', many);
      for (let position = 0; position < count; position++) {
        const facts = await verifyReceipt({
          receipt: encodeUtf8(own.receipt(sealed, many, position)),
          genesis: own.genesis,
        });
        assert.deepEqual(facts.eventBytes, many[position]);
      }
    }
  });

  test('a file that is no receipt is unreadable; a receipt with an unreadable part does not hold', async () => {
    await refuses('malformed-receipt', verifyReceipt({ receipt: encodeUtf8('hello'), genesis }));
    await refuses('malformed-receipt', verifyReceipt({ receipt: new Uint8Array(0), genesis }));
    await refuses(
      'malformed-receipt',
      verifyReceipt({ receipt: encodeUtf8(text.replace('extra ', 'extra *')), genesis }),
    );
    await refuses(
      'malformed-receipt',
      verifyReceipt({ receipt: encodeUtf8(text.replace(/^extra .*\n/m, '')), genesis }),
    );
  });

  test('another event, position, header or path does not lead to the root', async () => {
    const { extra } = parsed;
    const other = log.receipt(batch, events, 2);
    await refuses(
      'event-mismatch',
      verifyReceipt({ receipt: changed({ extra: { ...extra, event: exampleEvent('z') } }), genesis }),
    );
    await refuses('event-mismatch', verifyReceipt({ receipt: changed({ extra: { ...extra, position: 2 } }), genesis }));
    await refuses('event-mismatch', verifyReceipt({ receipt: changed({ extra: { ...extra, position: 3 } }), genesis }));
    const borrowed = parseReceipt(encodeUtf8(other)).extra;
    await refuses(
      'event-mismatch',
      verifyReceipt({ receipt: changed({ extra: { ...extra, path: borrowed.path } }), genesis }),
    );
    const forged = log.appendBatch('hospital', events, 'forged').built;
    await refuses(
      'root-mismatch',
      verifyReceipt({ receipt: changed({ extra: { ...extra, header: forged.header } }), genesis }),
    );
    await refuses(['root-mismatch', 'proof-length'], verifyReceipt({ receipt: changed({ index: 3 }), genesis }));
    await refuses('proof-length', verifyReceipt({ receipt: changed({ path: parsed.path.slice(1) }), genesis }));
    await refuses('index-range', verifyReceipt({ receipt: changed({ index: 5 }), genesis }));
  });

  test('too few cosigners are no quorum', async () => {
    for (const names of [['hospital'], ['hospital', 'payer']]) {
      await refuses(
        'no-quorum',
        verifyReceipt({ receipt: changed({ checkpoint: log.checkpoint(5, names) }), genesis }),
      );
    }
  });

  test('a line whose name and key ID are of two keys is a damaged one', async () => {
    const lines = parsed.checkpoint;
    const damaged = decodeUtf8(lines).replace('\n— hospital/cosigner ', '\n— hospitak/cosigner ');
    assert.notEqual(damaged, decodeUtf8(lines));
    await refuses('no-quorum', verifyReceipt({ receipt: changed({ checkpoint: encodeUtf8(damaged) }), genesis }));
    const own = /^— (\S+) (\S+)$/m.exec(decodeUtf8(lines).replace(/^— \S+\/cosigner .*\n/gm, ''));
    const line = own?.[0] ?? '';
    const doubled = `${decodeUtf8(lines)}${line.replace(own?.[1] ?? '', 'another.example')}\n`;
    await refuses('bad-signature', verifyReceipt({ receipt: changed({ checkpoint: encodeUtf8(doubled) }), genesis }));
    const foreign = `${decodeUtf8(lines)}— witness.example AAAAAQECAwQ=\n`;
    assert.equal(
      (await verifyReceipt({ receipt: changed({ checkpoint: encodeUtf8(foreign) }), genesis })).author,
      'hospital',
    );
  });

  test('a log that nobody knows is refused', async () => {
    const stranger = new SmallLog(['other-1', 'other-2', 'other-3']);
    await refuses('unknown-log', verifyReceipt({ receipt, genesis: stranger.genesis }));
  });

  test('a batch signed by another key than the member’s is refused, although it stands in the tree', async () => {
    const impostor = new SmallLog(['clinics', 'hospital', 'payer'], genesis);
    impostor.members.forEach((member, i) => {
      if (member.name === 'hospital')
        Object.assign(impostor.members, {
          [i]: { ...member, batch: signingMember('hospital', log.origin, 'x').batch },
        });
    });
    const forged = impostor.appendBatch('hospital', events);
    const text_ = impostor.receipt(forged, events, 0);
    await refuses('bad-signature', verifyReceipt({ receipt: encodeUtf8(text_), genesis }));
    assert.equal((await verifyReceipt({ receipt: encodeUtf8(text_), policy })).author, 'not checked');
  });

  test('a batch of another log in this log’s tree is refused', async () => {
    const other = new SmallLog(['hospital'], undefined);
    const foreign = new SmallLog(['hospital']);
    Object.defineProperty(foreign, 'origin', { value: 'elsewhere' });
    const { built } = foreign.appendBatch('hospital', events);
    const index = other.append(built.frame);
    await refuses(
      'wrong-log',
      verifyReceipt({ receipt: encodeUtf8(other.receipt({ built, index }, events, 0)), genesis: other.genesis }),
    );
  });
});

describe('a receipt with one byte changed', () => {
  test('is refused, or says the same', async () => {
    const facts = factsText(await verifyReceipt({ receipt, genesis }));
    let harmless = 0;
    for (let i = 0; i < receipt.length; i++) {
      // Every byte in one of the ways, by turns: each way meets each part of the file, at a fifth of the time.
      for (const [way, mutant] of [...mutations(receipt, i)].entries()) {
        if (way !== i % 5) continue;
        try {
          assert.equal(factsText(await verifyReceipt({ receipt: mutant, genesis })), facts, `byte ${i}`);
          harmless++;
        } catch (error) {
          // Beyond its first line it is a receipt that does not hold, never some other file.
          const kind = i < 'c2sp.org/tlog-proof@v1\n'.length ? AppError : VerificationError;
          assert.ok(error instanceof kind, `byte ${i}: ${String(error)}`);
        }
      }
    }
    // What remains are origin signatures beyond the one that counts, under a name or key ID that is nobody's.
    assert.ok(harmless < receipt.length / 8, `${harmless} harmless changes`);
  });

  test('with lines swapped, doubled or dropped is refused, or says the same', async () => {
    const facts = factsText(await verifyReceipt({ receipt, genesis }));
    const lines = text.split('\n');
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i] as string;
      const variants = [
        lines.toSpliced(i, 1),
        lines.toSpliced(i, 0, line),
        lines.toSpliced(i, 2, lines[i + 1] ?? '', line),
        lines.slice(0, i),
      ];
      for (const variant of variants) {
        try {
          assert.equal(factsText(await verifyReceipt({ receipt: encodeUtf8(variant.join('\n')), genesis })), facts);
        } catch (error) {
          assert.ok(error instanceof AppError, String(error));
        }
      }
    }
  });

  test('has nothing unsigned in its checkpoint’s text', async () => {
    const body = decodeUtf8(parsed.checkpoint).indexOf('\n\n');
    for (let i = 0; i < body; i++) {
      for (const mutant of mutations(parsed.checkpoint, i)) {
        await assert.rejects(verifyReceipt({ receipt: changed({ checkpoint: mutant }), genesis }), AppError);
      }
    }
  });

  function factsText(facts: ReceiptFacts): string {
    return JSON.stringify({ ...facts, root: [...facts.root], eventBytes: [...facts.eventBytes] });
  }
});

test('a receipt is a plain tlog-proof for tools that ignore "extra"', () => {
  const [title, extra, index, ...rest] = text.split('\n');
  assert.equal(title, 'c2sp.org/tlog-proof@v1');
  assert.match(extra ?? '', /^extra [A-Za-z0-9+/]+=*$/);
  assert.equal(index, 'index 2');
  const path = buildInclusionProof(2, 5, nodeReader(log.leafHashes.slice(0, 5)));
  assert.equal(rest.indexOf(''), path.length);
});

test('a final checkpoint with one byte changed is refused, or names the same tree', async () => {
  const checkpoint = log.checkpoint();
  const state = genesisState(parseGenesis(genesis));
  const { size, root } = await verifyFinal(checkpoint, state);
  for (let i = 0; i < checkpoint.length; i++) {
    for (const [way, mutant] of [...mutations(checkpoint, i)].entries()) {
      if (way !== i % 5) continue;
      try {
        const tree = await verifyFinal(mutant, state);
        assert.deepEqual([tree.size, tree.root], [size, root], `byte ${i}`);
      } catch (error) {
        assert.ok(error instanceof AppError, `byte ${i}: ${String(error)}`);
      }
    }
  }
});
