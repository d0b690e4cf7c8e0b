import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { encodeEntryBundle } from '../../src/ledger/entry-bundle.ts';
import { encodeEvent, EVENT_KINDS, parseEvent } from '../../src/ledger/event.ts';
import { taggedEventsIn } from '../../src/ledger/tagged-events.ts';

const id = (): string => randomBytes(16).toString('base64url');

test('finds exactly the tagged disclosures and acknowledgements that a parser finds', () => {
  const events = Array.from({ length: 256 }, (_, i) =>
    encodeEvent({
      id: id(),
      kind: EVENT_KINDS[i % EVENT_KINDS.length] ?? 'received',
      alg: 'c1',
      commit: randomBytes(32).toString('base64url'),
      rules: i * 1000,
      links: EVENT_KINDS[i % EVENT_KINDS.length] === 'erased' ? [] : Array.from({ length: i % 3 }, id),
      ...(i % 2 === 0 && { peer: id() }),
    }),
  );
  const expected = events
    .map((bytes) => parseEvent(bytes))
    .filter(({ kind, peer }) => peer !== undefined && (kind === 'disclosed' || kind === 'acknowledged'))
    .map((event) => ({ id: event.id, kind: event.kind, peer: event.peer }));
  assert.ok(expected.length > 20);
  assert.deepEqual(taggedEventsIn(encodeEntryBundle(events)), expected);
});
