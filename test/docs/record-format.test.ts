import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { base64url, buildRecord } from '../../src/provenance/record.ts';
import { canonicalText } from '../../src/provenance/record.ts';
import { makeEntity, makeIntent, makeOutcome } from '../support/provenance.ts';

const file = new URL('../../docs/record-format.md', import.meta.url);

function block(text: string, name: string): RegExp {
  const found = new RegExp(`(\`\`\`(?:json|text) ${name}\\n)([^\`]*?)(\\n\`\`\`)`);
  assert(found.test(text), name);
  return found;
}

test('the worked example of the record format is what the code commits to', () => {
  const idBytes = Buffer.alloc(16, 3);
  const built = buildRecord(
    {
      idBytes,
      eventId: idBytes.toString('base64url'),
      startedMs: Date.parse('2026-03-01T10:00:00Z'),
      recordedMs: Date.parse('2026-03-01T10:00:00.250Z'),
      intent: makeIntent(),
      outcome: makeOutcome({ entities: [makeEntity()] }),
      reconciled: false,
    },
    { record: Buffer.alloc(32, 1), key: Buffer.alloc(32, 9) },
    () => ({ tag: new Uint8Array(16), key: Buffer.alloc(32, 2) }),
  );
  const content = built.patients[0]?.content;
  const expected = {
    entity: canonicalText(content?.entities[0]?.[1] ?? {}),
    request: canonicalText(content?.request ?? {}),
    record: built.recordText,
    commit: base64url(built.commit),
  };
  let text = readFileSync(file, 'utf8');
  if (process.env['UPDATE'] === '1') {
    for (const [name, value] of Object.entries(expected)) text = text.replace(block(text, name), `$1${value}$3`);
    writeFileSync(file, text);
  }
  for (const [name, value] of Object.entries(expected)) assert.equal(block(text, name).exec(text)?.[2], value, name);
});
