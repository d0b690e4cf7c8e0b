import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { parseEvent } from '../../src/ledger/event.ts';
import { AgreedKeys } from '../../src/provenance/agreed-keys.ts';
import { agreedKey, PeerTags } from '../../src/provenance/peer-tag.ts';
import { makeCaller, openProvenance, record } from '../support/provenance.ts';

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

test('only what was disclosed to another member carries a tag for it, and each event another one', async (t) => {
  const key = Buffer.alloc(32, 8);
  const { recorder } = openProvenance(t, {
    peerTags: (member) => (member === 'clinics' ? new PeerTags(key) : undefined),
  });
  const clinics = makeCaller({ member: 'clinics' });
  const first = await record(recorder, { caller: clinics });
  await record(recorder, { caller: clinics });
  await record(recorder);
  await record(recorder, { caller: clinics, kind: 'denied' }, { outcome: '4', status: 403 });
  await record(recorder, { caller: clinics }, { outcome: '8', status: 502 });
  await record(recorder, { caller: clinics, kind: 'received', interaction: 'create' }, { status: 201 });
  await record(recorder, { caller: makeCaller({ member: 'nobody' }) });
  const tags = recorder.outbox.pending(9).map((event) => parseEvent(event.bytes).peer);
  const expected = createHmac('sha256', key).update(Buffer.from(first, 'base64url')).digest().subarray(0, 16);
  assert.equal(tags[0], expected.toString('base64url'));
  assert.notEqual(tags[1], undefined);
  assert.notEqual(tags[1], tags[0]);
  assert.deepEqual(tags.slice(2), [undefined, undefined, undefined, undefined, undefined]);
});

test('tags are HMAC-SHA-256, of the id, and of a domain and the id', () => {
  const [key, id] = [randomBytes(32), randomBytes(16)];
  const tags = new PeerTags(key);
  const expected = (...parts: (string | Buffer)[]): string => {
    const mac = createHmac('sha256', key);
    for (const part of parts) mac.update(part);
    return mac.digest().subarray(0, 16).toString('base64url');
  };
  assert.equal(tags.disclosure(id), expected(id));
  assert.equal(tags.acknowledgement(id), expected('concordat/acknowledged/v1\n', id));
  assert.throws(() => new PeerTags(randomBytes(31)));
});

const tagOf = (tags: PeerTags | undefined): string | undefined => tags?.disclosure(Buffer.alloc(16, 5));

test('the keys with the other members follow the membership', () => {
  const [own, clinics, rotated] = [pair(), pair(), pair()];
  const members = [{ name: 'clinics', agreementKey: clinics.other.toString('base64') }];
  const keys = new AgreedKeys({ ownName: 'hospital', ownPrivate: own.own, members: () => members });
  assert.equal(tagOf(keys.tagsWith('clinics')), tagOf(new PeerTags(agreedKey(clinics.own, own.other))));
  assert.equal(keys.tagsWith('payer'), undefined);
  members.push({ name: 'hospital', agreementKey: own.other.toString('base64') });
  assert.equal(keys.tagsWith('hospital'), undefined, 'nobody is his own counterpart');
  members[0] = { name: 'clinics', agreementKey: rotated.other.toString('base64') };
  assert.equal(tagOf(keys.tagsWith('clinics')), tagOf(new PeerTags(agreedKey(rotated.own, own.other))));
  members.push({ name: 'weak', agreementKey: Buffer.alloc(32).toString('base64') });
  assert.equal(keys.tagsWith('weak'), undefined, 'its secret is known to everybody');
});

test('an exchange and what it acknowledges are one commit', async (t) => {
  const { recorder, store, queries } = openProvenance(t, { peerTags: () => new PeerTags(Buffer.alloc(32, 8)) });
  const transactions = t.mock.method(store, 'transaction');
  const received = [1, 2].map((n) => ({
    upstream: 'other',
    member: 'clinics',
    event: Buffer.alloc(16, n).toString('base64url'),
  }));
  const eventId = await record(recorder, {}, { received });
  assert.equal(transactions.mock.callCount(), 1);
  assert.equal(recorder.outbox.waiting, 3);
  const [, first] = recorder.outbox.pending(3).map(({ bytes }) => parseEvent(bytes));
  const opened = queries.open(queries.sequenceOf(Buffer.from(first?.id ?? '', 'base64url')) ?? -1);
  assert.deepEqual(opened?.record.acknowledges, { event: received[0]?.event, member: 'clinics', exchange: eventId });
  assert.deepEqual(opened?.record.caller.issuer, 'concordat', 'who asked stands in the exchange alone');
});
