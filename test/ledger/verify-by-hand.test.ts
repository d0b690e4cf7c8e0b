import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { encodeHex, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { parseEvent } from '../../src/ledger/event.ts';
import { formatReceipt, parseReceipt } from '../../src/ledger/receipt.ts';
import { exampleEvent, SmallLog } from './support/small-log.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'verify-by-hand.md'), 'utf8');
const script = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block ?? '').join('\n');
const missing = ['bash', 'curl', 'jq', 'openssl', 'xxd', 'sha256sum'].filter(
  (tool) => spawnSync('which', [tool]).status !== 0,
);
const skip = missing.length === 0 ? false : `not on this machine: ${missing.join(', ')}`;

describe('the walkthrough by hand', { skip }, () => {
  const log = new SmallLog();
  for (let i = 0; i < 20; i++) log.appendBatch('payer', [exampleEvent(`${i}`)]);
  const events = ['a', 'b', 'c', 'd', 'e'].map((seed) => exampleEvent(seed));
  const batch = log.appendBatch('hospital', events);
  log.appendCut('clinics');
  const receipt = log.receipt(batch, events, 4);
  const event = parseEvent(events[4] as Uint8Array).id;
  let served = receipt;
  const server = createServer((request, response) => {
    if (request.url === '/ledger/genesis') response.end(log.genesis);
    else if (request.url === `/ledger/receipt/${event}`) response.end(served);
    else response.writeHead(404).end();
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());

  function run(text: string): Promise<{ readonly holds: boolean; readonly output: string }> {
    served = text;
    const cwd = mkdtempSync(join(tmpdir(), 'concordat-by-hand-'));
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const environment = {
      LEDGER: `http://127.0.0.1:${address.port}/ledger`,
      EVENT: event,
      GENESIS: encodeHex(sha256(log.genesis)),
    };
    return new Promise((resolve) => {
      execFile('bash', ['-c', script], { cwd, env: { ...process.env, ...environment } }, (error, stdout, stderr) => {
        rmSync(cwd, { recursive: true, force: true });
        resolve({ holds: error === null, output: stdout + stderr });
      });
    });
  }

  test('proves event, tree, quorum and author', async () => {
    const { holds, output } = await run(receipt);
    assert.ok(holds, output);
    assert.match(output, /the event is number 4 of 5 in the batch\nthe batch is leaf 21 of 23\n/);
    assert.match(output, /signed as the log by 3 members\n/);
    assert.match(output, /final: 3 of 3 members, 3 needed\nauthor: hospital\n/);
  });

  test('fails for another event, another index, too few cosigners and a forged signature', async () => {
    const parsed = parseReceipt(encodeUtf8(receipt));
    const variants = [
      formatReceipt({ ...parsed, extra: { ...parsed.extra, position: 3 } }),
      formatReceipt({ ...parsed, index: 20 }),
      formatReceipt({ ...parsed, checkpoint: log.checkpoint(log.size, ['payer', 'hospital']) }),
      receipt.replaceAll(new RegExp(`^— ${log.origin} .*\n`, 'gm'), ''),
      receipt.replace(new RegExp(`(— ${log.origin} .{40}).`), '$1A'),
      receipt.replace(/(— payer\/cosigner .{40})./, (_, start: string) => `${start}*`.replace('*', 'A')),
    ];
    for (const variant of variants) {
      assert.notEqual(variant, receipt);
      const { holds } = await run(variant);
      assert.equal(holds, false);
    }
  });
});
