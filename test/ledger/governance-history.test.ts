import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { formatEpoch, verifyEpoch } from '../../src/ledger/epoch.ts';
import { parseFrame } from '../../src/ledger/frame.ts';
import { genesisHash, parseGenesis } from '../../src/ledger/genesis.ts';
import { buildHistory, verifyHistory } from '../../src/ledger/governance-history.ts';
import { buildGovernance, proposalNonce } from '../../src/ledger/governance-record.ts';
import { genesisState } from '../../src/ledger/governance-state.ts';
import { verifyNote } from '../../src/ledger/note.ts';
import type { CheckNote } from '../../src/ledger/note.ts';
import { formatReceipt, parseReceipt } from '../../src/ledger/receipt.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { admission, Consortium, rotation } from './support/consortium.ts';
import { mutations } from './support/mutations.ts';
import { exampleEvent, exampleGenesis, signingMember } from './support/small-log.ts';
import { nodeReader, refuses } from './support/trees.ts';

const names = ['a', 'b', 'c'];

/** A log in which `b` got new keys and `d` joined; each change final under the membership before it. */
function changedLog() {
  const consortium = new Consortium(names);
  const { log } = consortium;
  const members = log.members as unknown as (typeof log.members)[number][];
  const checkpoints: Uint8Array[] = [];
  const before = [exampleEvent('before')];
  const old = log.appendBatch('b', before);
  const rotated = rotation('b', log.origin, 'new');
  consortium.enact(rotated.change, names);
  checkpoints.push(log.checkpoint(log.size, names));
  members.splice(1, 1, rotated.member);
  const joined = admission('d', log.origin);
  consortium.enact(joined.change, names);
  checkpoints.push(log.checkpoint(log.size, names));
  members.push(joined.member);
  const after = [exampleEvent('after')];
  const renewed = log.appendBatch('b', after);
  log.appendBatch('d', [exampleEvent('d')]);
  return {
    log,
    checkpoints,
    history: buildHistory({ records: recordsOf(log.records), checkpoints, readNode: nodeReader(log.leafHashes) }),
    old,
    before,
    renewed,
    after,
  };
}

function recordsOf(records: readonly Uint8Array[]) {
  return records.flatMap((record, index) => {
    const frame = parseFrame(record);
    return frame?.kind === 'governance' ? [{ index, header: frame.header, body: frame.body }] : [];
  });
}

const { log, checkpoints, history, old, before, renewed, after } = changedLog();
const genesis = parseGenesis(log.genesis);

const synchronously: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));

describe('a governance history', () => {
  test('leads from the genesis to the members and keys in force, on both paths', async () => {
    for (const checkNote of [undefined, synchronously]) {
      const state = await verifyHistory({ history, genesis, ...(checkNote && { checkNote }) });
      assert.deepEqual(
        state.versions.map(({ members }) => members.length),
        [3, 3, 4],
      );
      assert.deepEqual(
        state.versions.map(({ from }) => from),
        [0, 6, 10],
      );
    }
  });

  test('proves the author by the keys in force at the leaf, before and after', async () => {
    for (const [batch, events] of [
      [old, before],
      [renewed, after],
    ] as const) {
      const receipt = encodeUtf8(log.receipt(batch, events, 0));
      assert.equal((await verifyReceipt({ receipt, genesis: log.genesis, history })).author, 'b');
      const parsed = parseReceipt(receipt);
      const carrying = encodeUtf8(formatReceipt({ ...parsed, extra: { ...parsed.extra, history } }));
      assert.equal((await verifyReceipt({ receipt: carrying, genesis: log.genesis })).author, 'b');
      await refuses(['no-quorum', 'bad-signature', 'unknown-log'], verifyReceipt({ receipt, genesis: log.genesis }));
    }
  });

  test('a checkpoint of the old membership does not count after the change', async () => {
    const stale = encodeUtf8(log.receipt(renewed, after, 0, log.checkpoint(log.size, ['a', 'c'])));
    await refuses('no-quorum', verifyReceipt({ receipt: stale, genesis: log.genesis, history }));
    const quorum = encodeUtf8(log.receipt(renewed, after, 0, log.checkpoint(log.size, ['a', 'c', 'd'])));
    assert.equal((await verifyReceipt({ receipt: quorum, genesis: log.genesis, history })).author, 'b');
  });

  test('with a step left out, doubled or out of order does not hold', async () => {
    const records = recordsOf(log.records);
    const readNode = nodeReader(log.leafHashes);
    const [first, second] = checkpoints as [Uint8Array, Uint8Array];
    for (const changed of [[second], [second, first], [first, first]]) {
      await assert.rejects(
        verifyHistory({ history: buildHistory({ records, checkpoints: changed, readNode }), genesis }),
        AppError,
      );
    }
    await refuses(
      'history-broken',
      verifyHistory({ history: buildHistory({ records: records.slice(1), checkpoints, readNode }), genesis }),
    );
    await refuses(
      'history-broken',
      verifyHistory({ history: buildHistory({ records: records.slice(0, -1), checkpoints, readNode }), genesis }),
    );
  });

  test('with one byte changed does not hold, or says the same', async () => {
    const state = await verifyHistory({ history, genesis });
    for (let i = 0; i < history.length; i += 11) {
      for (const [way, mutant] of [...mutations(history, i)].entries()) {
        if (way !== i % 5) continue;
        try {
          // An origin signature beyond the one that counts may be anybody's.
          assert.deepEqual(await verifyHistory({ history: mutant, genesis }), state, `byte ${i}`);
        } catch (error) {
          assert.ok(error instanceof AppError, `byte ${i}: ${String(error)}`);
        }
      }
    }
  });

  test('under another genesis does not hold', async () => {
    await assert.rejects(
      verifyHistory({ history, genesis: parseGenesis(new Consortium(['a', 'b']).log.genesis) }),
      AppError,
    );
  });
});

describe('an epoch', () => {
  const oldLog = new Consortium(names).log;
  const end = { origin: oldLog.origin, size: oldLog.size, root: oldLog.root() };
  const previous = { ...end, chains: new Map<string, Uint8Array>(), rules: 0 };
  const next = exampleGenesis(
    ['a', 'b'].map((name) => signingMember(name, 'next.example/log')),
    { origin: 'next.example/log', previous },
  );
  const state = genesisState(parseGenesis(oldLog.genesis));
  const records = (yes: readonly string[], genesisFile = next) => {
    const [proposer = '', ...voters] = yes;
    const change = {
      kind: 'open-epoch',
      size: previous.size,
      root: previous.root,
      genesis: genesisHash(genesisFile),
    } as const;
    const act = { act: 'propose', change, nonce: proposalNonce(new Uint8Array(16)) } as const;
    const signer = (name: string) => oldLog.member(name).batch;
    const proposal = buildGovernance({ log: oldLog.origin, member: proposer, act, signer: signer(proposer) });
    const votes = voters.map((member) => {
      return buildGovernance({
        log: oldLog.origin,
        member,
        act: { act: 'vote', proposal: proposal.id, vote: 'yes' },
        signer: signer(member),
      });
    });
    return [proposal, ...votes].map(({ frame }) => {
      const parsed = parseFrame(frame);
      assert.ok(parsed !== undefined);
      return parsed;
    });
  };

  test('is opened by both others of three', async () => {
    const opened = await verifyEpoch({ epoch: formatEpoch(records(['a', 'b'])), state, genesis: next });
    assert.deepEqual(opened.previous, previous);
    await refuses('no-quorum', verifyEpoch({ epoch: formatEpoch(records(['a'])), state, genesis: next }));
    await refuses('no-quorum', verifyEpoch({ epoch: formatEpoch(records(['a', 'a'])), state, genesis: next }));
  });

  test('binds the last final checkpoint and the new genesis', async () => {
    const other = exampleGenesis(
      ['a', 'b'].map((name) => signingMember(name, 'next.example/log')),
      { origin: 'next.example/log' },
    );
    await refuses('genesis-mismatch', verifyEpoch({ epoch: formatEpoch(records(['a', 'b'])), state, genesis: other }));
    await refuses(
      'genesis-mismatch',
      verifyEpoch({ epoch: formatEpoch(records(['a', 'b'], other)), state, genesis: other }),
    );
    await refuses(
      'history-broken',
      verifyEpoch({ epoch: formatEpoch(records(['a', 'b']).slice(1)), state, genesis: next }),
    );
  });

  test('with one byte changed does not hold', async () => {
    const bytes = formatEpoch(records(['a', 'b']));
    for (let i = 0; i < bytes.length; i += 5) {
      for (const mutant of mutations(bytes, i)) {
        await assert.rejects(verifyEpoch({ epoch: mutant, state, genesis: next }), AppError, `byte ${i}`);
      }
    }
  });
});
