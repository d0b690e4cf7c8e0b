import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { parseCheckpoint, parseSignedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { decodeBase64, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { leafHash, treeRoot } from '../../src/ledger/merkle/tree-hash.ts';
import { verifyInclusion } from '../../src/ledger/merkle/verify.ts';
import { formatNote, openNote, parseNote, signText, verifyNotePortable } from '../../src/ledger/note.ts';
import { makeVerifierKey, parseSignerKey, parseVerifierKey } from '../../src/ledger/note-key.ts';
import { readVector, readVectorJson, vectorNames } from '../support/vectors.ts';
import { rejectsWith } from './support/trees.ts';

interface NoteCase {
  readonly name: string;
  readonly vkey: string;
  readonly skey?: string;
  readonly note: string;
  readonly valid: boolean;
}

describe('signed notes of C2SP and Go', () => {
  for (const { name, vkey, skey, note, valid } of readVectorJson<readonly NoteCase[]>('signed-notes', 'notes.json')) {
    test(`${name} opens`, async () => {
      assert.equal(valid, true);
      const key = parseVerifierKey(vkey);
      assert.equal(key.text, vkey);
      const opened = openNote(encodeUtf8(note), [key]);
      assert.equal(opened.verified.length, 1);
      assert.equal((await verifyNotePortable(opened, [key])).length, 1);
      assert.deepEqual(formatNote(opened.text, opened.signatures), encodeUtf8(note));
    });

    if (skey === undefined) continue;
    test(`${name} is signed again byte for byte`, () => {
      const signer = parseSignerKey(skey);
      assert.equal(signer.key.text, vkey);
      const published = parseNote(encodeUtf8(note));
      assert.deepEqual(signText(published.text, signer), published.signatures[0]);
    });
  }
});

interface WitnessFile {
  readonly verifier_keys: readonly string[];
}

describe('checkpoints of sunlight', () => {
  const log = 'witness/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706';
  const mirror = 'witness/mirror/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706';

  test('a signature of a type that we do not know is no signature by a known key', () => {
    const { note, checkpoint } = parseSignedCheckpoint(readVector('cosigned-sunlight', 'tree', 'checkpoint'));
    assert.deepEqual([checkpoint.origin, checkpoint.size], ['rome2026h1.example.org', 300]);
    assert.equal(note.signatures.length, 1);
  });

  for (const [folder, file] of [
    [log, 'witness/witness.v0.json'],
    [mirror, 'witness/mirror/mirror.v0.json'],
  ] as const) {
    test(`${file}: the timestamped cosignature verifies`, () => {
      const [vkey = ''] = readVectorJson<WitnessFile>('cosigned-sunlight', file).verifier_keys;
      const key = parseVerifierKey(vkey);
      assert.equal(key.type, 0x04);
      const { verified } = openNote(readVector('cosigned-sunlight', folder, 'checkpoint'), [key]);
      assert.ok((verified[0]?.timestampSeconds ?? 0) > 1_700_000_000);
      rejectsWith('bad-signature', () => openNote(readVector('cosigned-sunlight', folder, 'checkpoint'), []));
    });
  }

  test('the mirrored tiles lead to the cosigned root', () => {
    const { checkpoint } = parseSignedCheckpoint(readVector('cosigned-sunlight', mirror, 'checkpoint'));
    const full = hashesOf(readVector('cosigned-sunlight', mirror, 'tile/0/000'));
    const partial = hashesOf(readVector('cosigned-sunlight', mirror, 'tile/0/001.p/44'));
    assert.deepEqual([full.length, partial.length], [256, 44]);
    assert.deepEqual(treeRoot([...full, ...partial]), checkpoint.root);
    assert.deepEqual([treeRoot(full)], hashesOf(readVector('cosigned-sunlight', mirror, 'tile/1/000.p/1')));
  });
});

interface RekorBundle {
  readonly verificationMaterial: {
    readonly tlogEntries: readonly {
      readonly canonicalizedBody: string;
      readonly inclusionProof: {
        readonly logIndex: string;
        readonly hashes: readonly string[];
        readonly checkpoint: { readonly envelope: string };
      };
    }[];
  };
}

interface RekorRoot {
  readonly tlogs: readonly { readonly baseUrl: string; readonly publicKey: { rawBytes: string; keyDetails: string } }[];
}

describe('bundles of Rekor v2', () => {
  const folders = vectorNames('rekor2-conformance');
  assert.ok(folders.some((name) => name.endsWith('_fail')) && folders.some((name) => !name.endsWith('_fail')));
  for (const folder of folders) {
    const mustFail = folder.endsWith('_fail');
    test(`${folder} is ${mustFail ? 'refused' : 'accepted'}`, () => {
      const bundle = readVectorJson<RekorBundle>('rekor2-conformance', folder, 'bundle.sigstore.json');
      const trusted = readVectorJson<RekorRoot>('rekor2-conformance', folder, 'trusted_root.json');
      const [entry] = bundle.verificationMaterial.tlogEntries;
      assert.ok(entry !== undefined);
      const keys = trusted.tlogs.filter(({ publicKey }) => publicKey.keyDetails === 'PKIX_ED25519').map(rekorKey);
      const check = () => checkRekorEntry(entry, keys);
      if (mustFail) assert.throws(check, AppError);
      else check();
    });
  }

  function checkRekorEntry(
    entry: RekorBundle['verificationMaterial']['tlogEntries'][number],
    keys: ReturnType<typeof rekorKey>[],
  ): void {
    const { text } = openNote(encodeUtf8(entry.inclusionProof.checkpoint.envelope), keys);
    const { origin, size, root } = parseCheckpoint(text);
    assert.equal(origin, keys[0]?.name);
    const proof = entry.inclusionProof.hashes.map(decodeBase64);
    const leaf = leafHash(decodeBase64(entry.canonicalizedBody));
    verifyInclusion({ index: Number(entry.inclusionProof.logIndex), size, leafHash: leaf, proof, root });
  }

  /** Rekor publishes its key as SPKI and names it by its host. */
  function rekorKey({ baseUrl, publicKey }: RekorRoot['tlogs'][number]) {
    const spki = Buffer.from(publicKey.rawBytes, 'base64');
    assert.equal(createPublicKey({ key: spki, format: 'der', type: 'spki' }).asymmetricKeyType, 'ed25519');
    return makeVerifierKey(new URL(baseUrl).host, 0x01, new Uint8Array(spki.subarray(-32)));
  }
});

test('key IDs are what the specification says, computed another way', () => {
  const key = parseVerifierKey('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k');
  const input = Buffer.concat([Buffer.from('example.com/foo\n\x01', 'latin1'), key.publicKey]);
  assert.equal(createHash('sha256').update(input).digest('hex').slice(0, 8), key.keyId.toString(16));
});

function hashesOf(tile: Uint8Array): Uint8Array[] {
  assert.equal(tile.length % 32, 0);
  return Array.from({ length: tile.length / 32 }, (_, i) => tile.slice(32 * i, 32 * i + 32));
}
