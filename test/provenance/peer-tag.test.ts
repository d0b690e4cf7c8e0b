import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { parseEvent } from '../../src/ledger/event.ts';
import { agreedKey, peerTag } from '../../src/provenance/peer-tag.ts';
import { openProvenance, record } from '../support/provenance.ts';

function raw(key: KeyObject, field: 'd' | 'x'): Buffer {
  return Buffer.from(String(key.export({ format: 'jwk' })[field]), 'base64url');
}

function pair() {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return { own: raw(privateKey, 'd'), other: raw(publicKey, 'x') };
}

test('both members come to one key, and nobody else does', () => {
  const [a, b, c] = [pair(), pair(), pair()];
  assert.deepEqual(agreedKey(a.own, b.other), agreedKey(b.own, a.other));
  assert.notDeepEqual(agreedKey(a.own, b.other), agreedKey(c.own, b.other));
});

test('the agreement is X25519: with base point 9 it gives the public key', () => {
  const { own, other } = pair();
  const basePoint = Buffer.from(`09${'00'.repeat(31)}`, 'hex');
  assert.deepEqual(Buffer.from(agreedKey(own, basePoint)), other);
});

test('refuses a key of low order', () => {
  assert.throws(() => agreedKey(pair().own, Buffer.alloc(32)));
});

test('an event for a member carries the tag, another does not', async (t) => {
  const key = Buffer.alloc(32, 8);
  const { recorder } = openProvenance(t, { peerKey: (upstream) => (upstream === 'ehr' ? key : undefined) });
  const eventId = await record(recorder);
  await record(recorder, { upstream: 'lab' });
  const [first, second] = recorder.outbox.pending(2).map((event) => parseEvent(event.bytes));
  const expected = createHmac('sha256', key).update(Buffer.from(eventId, 'base64url')).digest().subarray(0, 16);
  assert.equal(first?.peer, expected.toString('base64url'));
  assert.equal(peerTag(key, Buffer.from(eventId, 'base64url')), first?.peer);
  assert.equal(second?.peer, undefined);
});
