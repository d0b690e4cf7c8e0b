import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatCheckpoint, parseCheckpoint } from '../../src/ledger/checkpoint.ts';
import { cosign, splitCosignature } from '../../src/ledger/cosignature.ts';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import {
  formatNote,
  openNote,
  parseNote,
  signNote,
  signText,
  verifyNote,
  verifyNotePortable,
} from '../../src/ledger/note.ts';
import { generateSigningKey, isKeyName, parseSignerKey, parseVerifierKey } from '../../src/ledger/note-key.ts';
import { mutations } from './support/mutations.ts';
import { signerOf } from './support/small-log.ts';
import { refuses, rejectsWith } from './support/trees.ts';

const one = signerOf('one.example', 0x01, 'one');
const two = signerOf('two.example', 0x01, 'two');
const witness = signerOf('one.example/cosigner', 0x04, 'witness');
const text = 'a line\nanother\n';

describe('notes', () => {
  test('are read back as what was signed', () => {
    const line = fc.string({ unit: 'grapheme' }).filter((string) => !/\p{Cc}/u.test(string));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const body = `${lines.join('\n')}\n`;
        const opened = openNote(signNote(body, [one, two]), [one.key, two.key]);
        assert.equal(opened.text, body);
        assert.deepEqual(
          opened.verified.map(({ key }) => key.name),
          ['one.example', 'two.example'],
        );
      }),
      { numRuns: 30 },
    );
  });

  test('signatures by unknown keys are ignored, and none by a known key is a refusal', () => {
    const note = signNote(text, [one, two]);
    assert.equal(openNote(note, [two.key]).verified.length, 1);
    rejectsWith('bad-signature', () => openNote(signNote(text, [two]), [one.key]));
  });

  test('a wrong signature by a known key refuses the note, beside right ones too', async () => {
    const forged = { ...signText('other\n', two), name: two.key.name };
    const note = parseNote(formatNote(text, [signText(text, one), forged]));
    rejectsWith('bad-signature', () => verifyNote(note, [one.key, two.key]));
    await refuses('bad-signature', verifyNotePortable(note, [one.key, two.key]));
    assert.equal(verifyNote(note, [one.key]).length, 1);
  });

  test('a key counts once, however often it signs', () => {
    const note = parseNote(formatNote(text, [signText(text, one), signText(text, one)]));
    assert.equal(verifyNote(note, [one.key]).length, 1);
  });

  test('every flipped, dropped, doubled or swapped byte is refused', () => {
    const bytes = signNote(text, [one]);
    for (let i = 0; i < bytes.length; i++) {
      for (const mutant of mutations(bytes, i)) assert.throws(() => openNote(mutant, [one.key]), `byte ${i}`);
    }
  });

  for (const [name, bad] of [
    ['no signature', 'text\n'],
    ['no signature line', 'text\n\n'],
    ['no newline at its end', 'text\n\n— a AAAAAAA='],
    ['a hyphen for the dash', 'text\n\n- a AAAAAAA=\n'],
    ['a carriage return', 'text\r\n\n— a AAAAAAA=\n'],
    ['a tab', 'te\txt\n\n— a AAAAAAA=\n'],
    ['a plus in a name', 'text\n\n— a+b AAAAAAA=\n'],
    ['a Unicode space in a name', 'text\n\n— a\u2003b AAAAAAA=\n'],
    ['a signature without bytes', 'text\n\n— a AAAAAA==\n'],
    ['trailing text', 'text\n\n— a AAAAAAA=\nmore\n'],
  ] as const) {
    test(`with ${name} are refused`, () => rejectsWith('malformed-note', () => parseNote(encodeUtf8(bad))));
  }

  test('that are too large or no UTF-8 are refused', () => {
    rejectsWith('too-large', () => parseNote(new Uint8Array((1 << 20) + 1)));
    rejectsWith('too-large', () => parseNote(encodeUtf8(`t\n\n${'— a AAAAAAA=\n'.repeat(257)}`)));
    rejectsWith('malformed-encoding', () => parseNote(Uint8Array.of(0xff, 0x0a, 0x0a)));
  });
});

describe('cosignatures', () => {
  const checkpoint = formatCheckpoint({ origin: 'log.example', size: 5, root: new Uint8Array(32) });

  test('carry their time, which is signed', () => {
    const signature = cosign(checkpoint, witness, 1_790_000_000);
    const [verified] = verifyNote(parseNote(formatNote(checkpoint, [signature])), [witness.key]);
    assert.equal(verified?.timestampSeconds, 1_790_000_000);
    const moved = signature.signature.slice();
    moved[7] = (moved[7] ?? 0) ^ 1;
    const altered = parseNote(formatNote(checkpoint, [{ ...signature, signature: moved }]));
    rejectsWith('bad-signature', () => verifyNote(altered, [witness.key]));
  });

  test('of another length or a time out of range are refused', () => {
    rejectsWith('malformed-cosignature', () => splitCosignature(new Uint8Array(71)));
    rejectsWith('malformed-cosignature', () => splitCosignature(new Uint8Array(72).fill(0xff)));
    rejectsWith('malformed-cosignature', () => cosign(checkpoint, witness, 1.5));
  });

  test('are made by cosigner keys, and notes by plain ones', () => {
    rejectsWith('malformed-key', () => cosign(checkpoint, one, 1));
    rejectsWith('malformed-key', () => signText(text, witness));
  });
});

describe('checkpoints', () => {
  test('are read back as what was written', () => {
    const checkpoint = { origin: 'log.example/one two', size: 2 ** 53 - 1, root: new Uint8Array(32).fill(9) };
    assert.deepEqual(parseCheckpoint(formatCheckpoint(checkpoint)), { ...checkpoint, extensions: [] });
  });

  test('of logs by others may have extension lines', () => {
    const body = `${formatCheckpoint({ origin: 'o', size: 0, root: new Uint8Array(32) })}ext 1\next 2\n`;
    assert.deepEqual(parseCheckpoint(body).extensions, ['ext 1', 'ext 2']);
  });

  const root = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';
  for (const bad of [
    `o\n1\n${root}`,
    `o\n1\n`,
    `\n1\n${root}\n`,
    `o\n01\n${root}\n`,
    `o\n-1\n${root}\n`,
    `o\n9007199254740992\n${root}\n`,
    `o\n1\nAAAA\n`,
    `o\n1\n${root}\n\n`,
    `o\n1\n${root}\n\next\n`,
    '',
  ]) {
    test(`${JSON.stringify(bad).slice(0, 40)} is refused`, () =>
      rejectsWith('malformed-checkpoint', () => parseCheckpoint(bad)));
  }
});

describe('note keys', () => {
  const seed = new Uint8Array(32).fill(3);

  test('are read back, and a signer key has its verifier key', () => {
    for (const type of [0x01, 0x04] as const) {
      const pair = generateSigningKey({ name: 'a.example', type, seed });
      assert.equal(parseSignerKey(`${pair.signerKey}\n`).key.text, pair.verifierKey);
      assert.equal(parseVerifierKey(pair.verifierKey).type, type);
    }
  });

  test('one byte changed is refused', () => {
    const { signerKey, verifierKey } = generateSigningKey({ name: 'a.example', type: 0x01, seed });
    for (let i = 0; i < verifierKey.length; i++) {
      const other = verifierKey[i] === 'x' ? 'y' : 'x';
      rejectsWith('malformed-key', () => parseVerifierKey(verifierKey.slice(0, i) + other + verifierKey.slice(i + 1)));
    }
    for (let i = 0; i < signerKey.length; i++) {
      const other = signerKey[i] === 'x' ? 'y' : 'x';
      rejectsWith('malformed-key', () => parseSignerKey(signerKey.slice(0, i) + other + signerKey.slice(i + 1)));
    }
  });

  test('never quote a secret in an error', () => {
    const { signerKey } = generateSigningKey({ name: 'a.example', type: 0x01, seed });
    const secret = signerKey.slice(-20);
    assert.throws(
      () => parseSignerKey(`${signerKey}x`),
      (error) => error instanceof Error && !error.message.includes(secret),
    );
  });

  test('names have no space, no plus and are not empty', () => {
    for (const name of ['', 'a b', 'a+b', 'a\u00a0b', 'a\nb', '\ud800', 'a'.repeat(256)])
      assert.equal(isKeyName(name), false);
    for (const name of ['a', 'a.example/b', 'é']) assert.equal(isKeyName(name), true);
  });
});
