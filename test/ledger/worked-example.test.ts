import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { decodeUtf8, encodeBase64, encodeHex, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { leafBytes } from '../../src/ledger/leaf.ts';
import { buildPolicy, formatPolicy } from '../../src/ledger/policy.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { exampleEvent, memberOf, SmallLog } from './support/small-log.ts';

const document = join(import.meta.dirname, '..', '..', 'docs', 'ledger-format.md');
const marks = { begin: '<!-- example:begin -->\n', end: '<!-- example:end -->' };

/** The example of the format document; `UPDATE=1` writes it there. */
async function workedExample(): Promise<string> {
  const log = new SmallLog();
  const events = [exampleEvent('a'), exampleEvent('b')];
  const batch = log.appendBatch('hospital', events);
  log.appendCut('clinics');
  const receipt = log.receipt(batch, events, 1);
  const facts = await verifyReceipt({ receipt: encodeUtf8(receipt), genesis: log.genesis });
  assert.equal(facts.author, 'hospital');
  const block = (text: string) => `\`\`\`\n${text.replace(/\n$/, '')}\n\`\`\`\n`;
  const policy = formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: 3 }));
  const leaves = log.records.map(
    (record, i) =>
      `${i} ${encodeHex(log.leafHashes[i] ?? new Uint8Array(0))} ${decodeUtf8(leafBytes(record)).trim().replace('\n', ' ')}`,
  );
  return [
    `The genesis file (one line, ${log.genesis.length} bytes, SHA-256 \`${encodeHex(sha256(log.genesis))}\`):`,
    block(decodeUtf8(log.genesis)),
    'The two events:',
    block(events.map(decodeUtf8).join('\n')),
    'The header of the batch:',
    block(decodeUtf8(batch.built.header)),
    `Its body is ${batch.built.body.length} bytes, beginning \`${encodeHex(batch.built.body.subarray(0, 12))}\`; the frame is ${batch.built.frame.length} bytes, beginning \`${encodeHex(batch.built.frame.subarray(0, 5))}\`.`,
    '',
    'The leaves, as index, leaf hash and leaf:',
    block(leaves.join('\n')),
    `The root of the three is \`${encodeBase64(log.root())}\`. The policy that the genesis stands for:`,
    block(policy),
    'The receipt of the second event, with the final checkpoint:',
    block(receipt),
  ].join('\n');
}

test('the worked example of the format document is what the code builds', async () => {
  const text = readFileSync(document, 'utf8');
  const [begin, end] = [text.indexOf(marks.begin) + marks.begin.length, text.indexOf(marks.end)];
  assert.ok(begin >= marks.begin.length && end >= begin);
  const built = await workedExample();
  if (process.env['UPDATE'] === '1') writeFileSync(document, text.slice(0, begin) + built + text.slice(end));
  else assert.equal(text.slice(begin, end), built);
});
