import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Secret } from '../../src/config/secret.ts';
import { LedgerError } from '../../src/ledger/ledger-error.ts';
import { openAgreedKeys } from '../../src/main/counterparts.ts';
import { agreedKey, agreementPublicKey, PeerTags } from '../../src/provenance/peer-tag.ts';

function agreement(): { readonly own: Buffer; readonly other: string } {
  const { d = '' } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  const own = Buffer.from(d, 'base64url');
  return { own, other: Buffer.from(agreementPublicKey(own)).toString('base64') };
}

const tagOf = (tags: Pick<PeerTags, 'disclosure'> | undefined) => tags?.disclosure(Buffer.alloc(16, 5));

test('tags are made with the agreement key that is in force, before and after a rotation', () => {
  const [former, next, clinics] = [agreement(), agreement(), agreement()];
  const set = ({ own }: typeof former) => ({ agreement: new Secret(own.toString('base64')) });
  let inForce = former.other;
  const keys = openAgreedKeys({ member: 'hospital', ledger: { keys: set(former), nextKeys: set(next) } }, () => [
    { name: 'hospital', agreementKey: inForce },
    { name: 'clinics', agreementKey: clinics.other },
  ]);
  const seenByClinics = (other: string) => tagOf(new PeerTags(agreedKey(clinics.own, Buffer.from(other, 'base64'))));
  assert.equal(tagOf(keys.tagsWith('clinics')), seenByClinics(former.other));
  inForce = next.other;
  assert.equal(tagOf(keys.tagsWith('clinics')), seenByClinics(next.other));
  assert.equal(keys.tagsWith('hospital'), undefined);
});

test('refuses an agreement key that is none', () => {
  const keys = { agreement: new Secret('c2hvcnQ=') };
  assert.throws(
    () => openAgreedKeys({ member: 'hospital', ledger: { keys } }, () => []),
    (error) => error instanceof LedgerError && error.code === 'configuration',
  );
});
