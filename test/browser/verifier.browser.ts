import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeBrowserVerifier } from '../../scripts/browser-verifier.ts';
import { sha256 } from '../../src/hash.ts';
import { encodeBase64, encodeHex, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { parseEvent } from '../../src/ledger/event.ts';
import { exampleReceipt, receiptCases } from '../ledger/support/receipt-cases.ts';
import { root } from '../support/source-files.ts';
import { readVectorJson } from '../support/vectors.ts';
import { findChromium, IMPORT_MAP, resultOfPage } from './browser.ts';
import { outcomesOf } from './cases.ts';
import type { BrowserCases } from './cases.ts';

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly { readonly msg: string; readonly sig: string }[];
  }[];
}

interface InclusionVector {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string;
  readonly leafHash: string;
  readonly proof: readonly string[] | null;
}

type Outcomes = Awaited<ReturnType<typeof outcomesOf>>;

const chromium = findChromium();
const skip = chromium === undefined ? 'no Chromium on this machine' : false;

function sharedCases(): BrowserCases {
  const { log, receipt } = exampleReceipt();
  const wycheproof = readVectorJson<WycheproofFile>('ed25519-wycheproof', 'ed25519_test.json').testGroups;
  const cctv = readVectorJson<readonly { key: string; sig: string; msg: string }[]>(
    'ed25519-cctv',
    'ed25519vectors.json',
  );
  const notes = readVectorJson<readonly { vkey: string; note: string }[]>('signed-notes', 'notes.json');
  return {
    receipts: receiptCases(),
    changed: { receipt: encodeBase64(receipt), genesis: encodeBase64(log.genesis) },
    notes: notes.flatMap(({ vkey, note }) => [
      { vkey, note },
      { vkey, note: note.replace(/^(.)/, '$1.') },
    ]),
    signatures: [
      ...wycheproof.flatMap(({ publicKey, tests }) =>
        tests.map(({ msg, sig }) => ({ key: publicKey.pk, message: msg, signature: sig })),
      ),
      ...cctv.map(({ key, msg, sig }) => ({ key, message: encodeHex(encodeUtf8(msg)), signature: sig })),
    ],
    proofs: inclusionVectors(),
  };
}

function inclusionVectors(): BrowserCases['proofs'] {
  return readVectorJson<readonly InclusionVector[]>('merkle-proofs', 'inclusion.json').map(
    ({ leafIdx, treeSize, root: rootHash, leafHash, proof }) => {
      return { index: leafIdx, size: treeSize, root: rootHash, leafHash, proof: proof ?? [] };
    },
  );
}

describe('the receipt check in Chromium', { skip }, () => {
  const cases = sharedCases();
  let inNode: Outcomes;
  let inBrowser: { outcomes: Outcomes; withoutEd25519: Outcomes; withoutSubtle: Outcomes };

  before(async () => {
    inNode = await outcomesOf(cases);
    const html = `<!doctype html><script type="importmap">${IMPORT_MAP}</script><script type="module" src="/test/browser/page.ts"></script>`;
    const pages = { '/page.html': html, '/cases.json': JSON.stringify(cases) };
    const result = await resultOfPage({ chromium: chromium ?? '', path: '/page.html', pages });
    assert.ok(result !== null && typeof result === 'object' && !('failed' in result), JSON.stringify(result));
    inBrowser = result as typeof inBrowser;
  });

  test('every receipt holds or is refused as in Node, by the code that is expected', () => {
    const expected = cases.receipts.map((one) =>
      'author' in one.expected ? `author ${one.expected.author}` : one.expected.code,
    );
    assert.ok(expected.length > 40);
    assert.deepEqual(inBrowser.outcomes.receipts, expected);
  });

  for (const name of ['changed', 'notes', 'signatures', 'proofs'] as const) {
    test(`${name}: every outcome is that of Node`, () => {
      assert.ok(inNode[name].length > 0);
      assert.deepEqual(inBrowser.outcomes[name], inNode[name]);
    });
  }

  test('without Ed25519 in WebCrypto, or without WebCrypto, nothing is accepted, and the code says why', () => {
    for (const outcomes of [inBrowser.withoutEd25519, inBrowser.withoutSubtle]) {
      for (const [i, one] of cases.receipts.entries()) {
        const outcome = outcomes.receipts[i];
        if ('author' in one.expected) assert.equal(outcome, 'unavailable', one.name);
        else assert.ok([one.expected.code, 'unavailable'].includes(outcome ?? ''), `${one.name}: ${outcome}`);
      }
      assert.ok(!outcomes.signatures.includes('true') && !outcomes.notes.includes('true'));
      assert.deepEqual(outcomes.proofs, inNode.proofs, 'trees need no signature');
    }
  });
});

describe('the page of docs/verify-by-hand.md', { skip }, () => {
  const markdown = readFileSync(join(root, 'docs', 'verify-by-hand.md'), 'utf8');
  const html = /```html\n([\s\S]*?)```/.exec(markdown)?.[1] ?? '';
  const { log, receipt, parsed } = exampleReceipt();
  const event = parseEvent(parsed.extra.event).id;
  const folder = mkdtempSync(join(tmpdir(), 'concordat-browser-verifier-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What the page says of a receipt. */
  async function said(served: Uint8Array, pin = encodeHex(sha256(log.genesis))): Promise<unknown> {
    const post = `<script type="module">
      const p = document.querySelector('#answer');
      while (p.textContent === 'checking …') await new Promise((resolve) => setTimeout(resolve, 20));
      await fetch('/result', { method: 'POST', body: JSON.stringify(p.textContent) });</script>`;
    const modules = writeBrowserVerifier(folder).map((file) => [`/verifier/${file}`, readFileSync(join(folder, file))]);
    return resultOfPage({
      chromium: chromium ?? '',
      path: `/page.html?ledger=/ledger&event=${event}&genesis=${pin}`,
      pages: {
        ...(Object.fromEntries(modules) as Record<string, Uint8Array>),
        '/page.html': `${html}${post}`,
        '/ledger/genesis': log.genesis,
        [`/ledger/receipt/${event}`]: served,
      },
    });
  }

  test('proves an event with the modules that `npm run browser-verifier` writes', async () => {
    assert.equal(await said(receipt), `${event} was recorded by hospital, leaf 2 of 5`);
  });

  test('says by which code it refuses a receipt, and that the genesis is another one', async () => {
    const altered = receipt.with(receipt.length - 30, (receipt[receipt.length - 30] as number) ^ 1);
    assert.match(String(await said(altered)), /^NOT PROVED: bad-signature/);
    assert.match(String(await said(receipt, '00'.repeat(32))), /^NOT PROVED: another genesis/);
  });
});
