import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { encodeBase64, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { exampleEvent, SmallLog } from './support/small-log.ts';

const root = join(import.meta.dirname, '..', '..');
const entry = join(root, 'src', 'ledger', 'verifier.ts');

/** Every module that the verifier loads, with what it imports from packages. */
function importsOf(file: string, seen = new Map<string, readonly string[]>()): Map<string, readonly string[]> {
  if (seen.has(file)) return seen;
  const source = readFileSync(file, 'utf8');
  const names = [...source.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)'/gms)].map(
    ([, name]) => name ?? '',
  );
  seen.set(
    file,
    names.filter((name) => !name.startsWith('.')),
  );
  for (const name of names) if (name.startsWith('.')) importsOf(resolve(dirname(file), name), seen);
  return seen;
}

describe('the receipt check in a browser', () => {
  test('imports nothing but portable hashes', () => {
    const modules = importsOf(entry);
    assert.ok(modules.size > 15);
    const packages = new Set([...modules.values()].flat());
    assert.deepEqual([...packages].sort(), ['@noble/hashes/hmac.js', '@noble/hashes/sha2.js']);
  });

  test('works without Node: neither process nor Buffer, only WebCrypto', () => {
    const log = new SmallLog();
    const events = [exampleEvent('a'), exampleEvent('b')];
    const receipt = encodeUtf8(log.receipt(log.appendBatch('hospital', events), events, 1));
    const broken = receipt.slice();
    broken[receipt.length - 30] = (broken[receipt.length - 30] as number) ^ 1;
    const program = `
      const print = console.log;
      delete globalThis.process;
      delete globalThis.Buffer;
      const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      const { verifyReceipt } = await import(${JSON.stringify(entry)});
      const genesis = bytes('${encodeBase64(log.genesis)}');
      const facts = await verifyReceipt({ receipt: bytes('${encodeBase64(receipt)}'), genesis });
      const failure = await verifyReceipt({ receipt: bytes('${encodeBase64(broken)}'), genesis }).catch((error) => error.code);
      print(typeof process, facts.author, facts.index, failure);`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program],
      { encoding: 'utf8' },
    );
    assert.equal(stdout.trim(), 'undefined hospital 1 bad-signature', stderr);
  });
});
