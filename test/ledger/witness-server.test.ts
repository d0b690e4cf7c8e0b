import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddCheckpoint, parseAddCheckpoint } from '../../src/ledger/add-checkpoint.ts';
import { formatCheckpoint, parseSignedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { buildConsistencyProof } from '../../src/ledger/merkle/proof.ts';
import { generateSigningKey, parseSignerKey, parseVerifierKey } from '../../src/ledger/note-key.ts';
import { cosign } from '../../src/ledger/cosignature.ts';
import { formatNote, formatSignatureLine, parseSignatureLine, signText, verifyNote } from '../../src/ledger/note.ts';
import { PeerExchange } from '../../src/ledger/peer-exchange.ts';
import type { WitnessClient } from '../../src/ledger/peer.ts';
import { SILENT } from './consortium.ts';
import { SoloLog } from './solo-log.ts';

async function grownLog(): Promise<{ log: SoloLog; before: Uint8Array; after: Uint8Array }> {
  const log = new SoloLog();
  await log.start();
  for (let i = 0; i < 5; i++) await log.addBatch(2);
  await log.finalise();
  const before = log.view.checkpoint() as Uint8Array;
  for (let i = 0; i < 5; i++) await log.addBatch(2);
  await log.finalise();
  return { log, before, after: log.view.checkpoint() as Uint8Array };
}

const sizeOf = (note: Uint8Array): number => parseSignedCheckpoint(note).checkpoint.size;

function signedBy(log: SoloLog, text: string): Uint8Array {
  return formatNote(text, [signText(text, parseSignerKey(log.consortium.members[0]?.keys.origin ?? ''))]);
}

describe('add-checkpoint of a member (C2SP tlog-witness)', () => {
  test('the tree that it last signed: 200 with one line by its cosigner key', async () => {
    const { log, after } = await grownLog();
    const result = await log.view.addCheckpoint(
      formatAddCheckpoint({ oldSize: sizeOf(after), proof: [], note: after }),
    );
    assert.equal(result.status, 200);
    const line = result.status === 200 ? result.cosignatures : '';
    const { text } = parseSignedCheckpoint(after).note;
    const key = parseVerifierKey(log.view.members()[0]?.cosignerKey ?? '');
    const verified = verifyNote({ text, signatures: [parseSignatureLine(line.trimEnd())] }, [key]);
    assert.equal(verified.length, 1);
  });

  test('the same request again and again puts nothing more on the second topic', async () => {
    const { log, after } = await grownLog();
    const { cosignatureTopic } = log.engine.options;
    const body = formatAddCheckpoint({ oldSize: sizeOf(after), proof: [], note: after });
    await log.view.addCheckpoint(body);
    const end = await cosignatureTopic.endOffset();
    for (let i = 0; i < 20; i++) assert.equal((await log.view.addCheckpoint(body)).status, 200);
    assert.equal(await cosignatureTopic.endOffset(), end);
  });

  test('another old size than the last one: 409 with the size', async () => {
    const { log, before, after } = await grownLog();
    for (const oldSize of [0, 1, sizeOf(before)]) {
      const result = await log.view.addCheckpoint(formatAddCheckpoint({ oldSize, proof: [], note: after }));
      assert.deepEqual(result, { status: 409, size: sizeOf(after) });
    }
  });

  test('an old size above the checkpoint’s own: 400', async () => {
    const { log, before, after } = await grownLog();
    const body = formatAddCheckpoint({ oldSize: sizeOf(after), proof: [], note: before });
    assert.deepEqual(await log.view.addCheckpoint(body), { status: 400 });
  });

  test('another origin: 404; no known origin key: 403', async () => {
    const { log, after } = await grownLog();
    const { checkpoint } = parseSignedCheckpoint(after);
    const foreign = formatCheckpoint({ ...checkpoint, origin: 'another.example/log' });
    const other = generateSigningKey({ name: 'another.example/log', type: 0x01, seed: new Uint8Array(32).fill(1) });
    const note = formatNote(foreign, [signText(foreign, parseSignerKey(other.signerKey))]);
    assert.deepEqual(await log.view.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note })), {
      status: 404,
    });
    const stranger = generateSigningKey({ name: checkpoint.origin, type: 0x01, seed: new Uint8Array(32).fill(2) });
    const text = formatCheckpoint(checkpoint);
    const unknown = formatNote(text, [signText(text, parseSignerKey(stranger.signerKey))]);
    const body = formatAddCheckpoint({ oldSize: checkpoint.size, proof: [], note: unknown });
    assert.deepEqual(await log.view.addCheckpoint(body), { status: 403 });
  });

  test('the same size with another root: 409; a proof that does not hold: 422', async () => {
    const { log, after } = await grownLog();
    const { checkpoint } = parseSignedCheckpoint(after);
    const root = new Uint8Array(32).fill(3);
    const forked = signedBy(log, formatCheckpoint({ ...checkpoint, root }));
    const same = formatAddCheckpoint({ oldSize: checkpoint.size, proof: [], note: forked });
    assert.deepEqual(await log.view.addCheckpoint(same), { status: 409, size: undefined });
    const larger = signedBy(log, formatCheckpoint({ ...checkpoint, size: checkpoint.size + 5, root }));
    const body = formatAddCheckpoint({ oldSize: checkpoint.size, proof: [root, root], note: larger });
    assert.deepEqual(await log.view.addCheckpoint(body), { status: 422 });
  });

  test('malformed bodies: 400, whatever the bytes', async () => {
    const { log, after } = await grownLog();
    const good = formatAddCheckpoint({ oldSize: 3, proof: [new Uint8Array(32)], note: after });
    assert.deepEqual(parseAddCheckpoint(good).proof.length, 1);
    const bad = [
      '',
      'old 1\n',
      'old -1\n\nx',
      'old 01\n\n',
      'new 1\n\n',
      'old 1\n!!!\n\n',
      `old 1\n${'A'.repeat(70_000)}`,
    ];
    for (const text of bad)
      assert.deepEqual(
        await log.view.addCheckpoint(new TextEncoder().encode(text)),
        { status: 400 },
        text.slice(0, 20),
      );
    assert.deepEqual(await log.view.addCheckpoint(new Uint8Array([0xff, 0xfe])), { status: 400 });
  });
});

describe('the client of outside witnesses', () => {
  const keys = generateSigningKey({ name: 'witness.example', type: 0x04, seed: new Uint8Array(32).fill(4) });
  const strangers = generateSigningKey({ name: 'witness.example', type: 0x04, seed: new Uint8Array(32).fill(5) });

  test('blank lines around a cosignature, or no newline behind it, do not spoil the served note', async () => {
    const { log, after } = await grownLog();
    const { text } = parseSignedCheckpoint(after).note;
    const line = formatSignatureLine(cosign(text, parseSignerKey(keys.signerKey), 1));
    const { replica, finality } = log.engine;
    for (const cosignatures of [`\n\n${line}\n`, `${line}\n\n`, line]) {
      const witness: WitnessClient = {
        name: 'witness.example',
        verifierKey: keys.verifierKey,
        addCheckpoint: async () => ({ status: 200, cosignatures }),
      };
      const parts = { peers: [], witnesses: [witness], replica, finality, clock: () => 0, log: SILENT };
      const exchange = new PeerExchange(parts);
      await exchange.submitOutside(after);
      const noted = parseSignedCheckpoint(exchange.withOutside(after, sizeOf(after))).note;
      assert.equal(verifyNote(noted, [parseVerifierKey(keys.verifierKey)]).length, 1);
    }
  });

  test('more of them than a note has room for leave it readable, with all that the members signed', async () => {
    const { log, after } = await grownLog();
    const { text } = parseSignedCheckpoint(after).note;
    const witnesses = Array.from({ length: 120 }, (_, i): WitnessClient => {
      const name = `witness-${String(i)}.example`;
      const { signerKey, verifierKey } = generateSigningKey({ name, type: 0x04, seed: new Uint8Array(32).fill(i) });
      const line = formatSignatureLine(cosign(text, parseSignerKey(signerKey), 1));
      return { name, verifierKey, addCheckpoint: async () => ({ status: 200, cosignatures: `${line}\n` }) };
    });
    const { replica, finality } = log.engine;
    const exchange = new PeerExchange({ peers: [], witnesses, replica, finality, clock: () => 0, log: SILENT });
    await exchange.submitOutside(after);
    assert.equal(exchange.outsideCosignatures().size, 120);
    const { signatures } = parseSignedCheckpoint(exchange.withOutside(after, sizeOf(after))).note;
    assert.equal(signatures.length, 100);
    const before = parseSignedCheckpoint(after).note.signatures;
    assert.deepEqual(signatures.slice(0, before.length), before);
  });

  test('learns the witness’s size from 409 and comes back with the proof', async () => {
    const { log, before, after } = await grownLog();
    let signedWith = strangers;
    const asked: { oldSize: number; proof: number }[] = [];
    const witness: WitnessClient = {
      name: 'witness.example',
      verifierKey: keys.verifierKey,
      addCheckpoint: async (body) => {
        const { oldSize, proof, note } = parseAddCheckpoint(body);
        asked.push({ oldSize, proof: proof.length });
        const submitted = parseSignedCheckpoint(note);
        assert.deepEqual(
          [...new Set(submitted.note.signatures.map(({ name }) => name))],
          [submitted.checkpoint.origin],
        );
        if (asked.length === 1) return { status: 409, size: sizeOf(before) };
        const { text } = parseSignedCheckpoint(note).note;
        return {
          status: 200,
          cosignatures: `${formatSignatureLine(cosign(text, parseSignerKey(signedWith.signerKey), 1))}\n`,
        };
      },
    };
    const { replica, finality } = log.engine;
    const exchange = new PeerExchange({
      peers: [],
      witnesses: [witness],
      replica,
      finality,
      clock: () => 0,
      log: SILENT,
    });
    await exchange.submitOutside(after);
    assert.equal(exchange.outsideCosignatures().size, 0, 'a line by another key is not taken');
    signedWith = keys;
    await exchange.submitOutside(after);
    const proof = buildConsistencyProof(sizeOf(before), sizeOf(after), (level, index) =>
      replica.tree.node(level, index),
    );
    assert.deepEqual(asked.slice(0, 2), [
      { oldSize: 0, proof: 0 },
      { oldSize: sizeOf(before), proof: proof.length },
    ]);
    const noted = parseSignedCheckpoint(exchange.withOutside(after, sizeOf(after))).note;
    assert.equal(verifyNote(noted, [parseVerifierKey(keys.verifierKey)]).length, 1);
    assert.equal(exchange.outsideCosignatures().get('witness.example')?.size, sizeOf(after));
    await exchange.submitOutside(after);
    assert.equal(asked.length, 3, 'a tree that it cosigned is not submitted again');
  });
});
