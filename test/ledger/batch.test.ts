import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '../../src/hash.ts';
import {
  buildBatch,
  MAXIMUM_BATCH_EVENTS,
  NO_PREVIOUS_HEADER,
  parseBatchBody,
  parseBatchHeader,
} from '../../src/ledger/batch.ts';
import { buildCut, parseCutHeader } from '../../src/ledger/cut.ts';
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { encodeFrame, parseFrame } from '../../src/ledger/frame.ts';
import { leafBytes, recordLeafHash } from '../../src/ledger/leaf.ts';
import { leafHash, treeRoot } from '../../src/ledger/merkle/tree-hash.ts';
import { formatNote, signText } from '../../src/ledger/note.ts';
import { exampleEvent, ORIGIN, signingMember } from './support/small-log.ts';
import { rejectsWith } from './support/trees.ts';

const hospital = signingMember('hospital');
const events = [exampleEvent('a'), exampleEvent('b'), exampleEvent('c')];
const args = {
  log: ORIGIN,
  member: 'hospital',
  writer: 'hospital-1',
  batch: 1,
  prev: NO_PREVIOUS_HEADER,
  firstEvent: 0,
  events,
  signer: hospital.batch,
};

describe('frames', () => {
  test('are read back as what was written', () => {
    const kinds = fc.constantFrom('batch', 'cut', 'governance', 'genesis');
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(kinds, bytes, fc.uint8Array(), (kind, header, body) => {
        assert.deepEqual(parseFrame(encodeFrame({ kind, header, body })), { kind, header, body });
      }),
    );
  });

  test('with malformed framing are none', () => {
    for (const record of [
      [],
      [1],
      [1, 0, 0, 0, 0],
      [1, 0, 0, 0, 0, 65],
      [1, 0, 0, 0, 2, 65],
      [0, 0, 0, 0, 1, 65],
      [5, 0, 0, 0, 1, 65],
      [1, 0xff, 0xff, 0xff, 0xff, 65],
    ]) {
      assert.equal(parseFrame(Uint8Array.from(record)), undefined);
    }
    const large = new Uint8Array(5 + 8193);
    large.set([1, 0, 0, 0x20, 0x01]);
    assert.equal(parseFrame(large), undefined);
    large.set([1, 0, 0, 0x20, 0x00]);
    assert.equal(parseFrame(large)?.header.length, 8192);
    rejectsWith('too-large', () => encodeFrame({ kind: 'cut', header: new Uint8Array(8193), body: new Uint8Array(0) }));
  });
});

describe('leaves', () => {
  test('are a total function of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (record) => {
        const text = decodeUtf8(leafBytes(record));
        const frame = parseFrame(record);
        const expected = frame === undefined ? ['void', record] : ['leaf', frame.header];
        assert.equal(
          text,
          `concordat/${expected[0] as string}/v1\n${encodeBase64(sha256(expected[1] as Uint8Array))}\n`,
        );
      }),
    );
  });

  test('cover the header and nothing else of a well-framed record', () => {
    const { frame } = buildBatch(args);
    const otherBody = frame.slice();
    otherBody[frame.length - 1] = (otherBody[frame.length - 1] as number) ^ 1;
    assert.deepEqual(recordLeafHash(otherBody), recordLeafHash(frame));
    const otherHeader = frame.slice();
    otherHeader[6] = (otherHeader[6] as number) ^ 1;
    assert.notDeepEqual(recordLeafHash(otherHeader), recordLeafHash(frame));
  });
});

describe('batches', () => {
  test('are read back as what was sealed', () => {
    const built = buildBatch(args);
    const frame = parseFrame(built.frame);
    assert.equal(frame?.kind, 'batch');
    const { note, ...header } = parseBatchHeader(built.header);
    assert.deepEqual(header, {
      log: ORIGIN,
      member: 'hospital',
      writer: 'hospital-1',
      batch: 1,
      prev: NO_PREVIOUS_HEADER,
      firstEvent: 0,
      count: 3,
      root: treeRoot(events.map((event) => leafHash(event))),
      bodyBytes: built.body.length,
      bodyHash: sha256(built.body),
    });
    assert.equal(note.signatures.length, 1);
    assert.deepEqual(parseBatchBody(header, built.body), events);
    assert.deepEqual(built.headerHash, sha256(built.header));
  });

  test('sealed twice are the same bytes', () => {
    assert.deepEqual(buildBatch(args), buildBatch(args));
  });

  test('have 1 to 256 events, a key of the member and names that fit', () => {
    const many = Array.from({ length: MAXIMUM_BATCH_EVENTS + 1 }, () => events[0] as Uint8Array);
    rejectsWith('malformed-batch', () => buildBatch({ ...args, events: [] }));
    rejectsWith('malformed-batch', () => buildBatch({ ...args, events: many }));
    rejectsWith('malformed-batch', () => buildBatch({ ...args, member: 'payer' }));
    rejectsWith('malformed-batch', () => buildBatch({ ...args, writer: 'a b' }));
    rejectsWith('too-large', () => buildBatch({ ...args, events: [new Uint8Array(2049)] }));
    assert.equal(buildBatch({ ...args, events: many.slice(1) }).count, 256);
  });

  test('with another line, order or number form are refused', () => {
    const { text } = parseBatchHeader(buildBatch(args).header).note;
    const sign = (changed: string) => formatNote(changed, [signText(changed, hospital.batch)]);
    parseBatchHeader(sign(text));
    for (const changed of [
      text.replace('batch 1\n', 'batch 01\n'),
      text.replace('batch 1\n', 'batch 0\n'),
      text.replace('count 3\n', 'count 257\n'),
      text.replace('first 0\n', 'first 9007199254740992\n'),
      text.replace('first 0\n', ''),
      text.replace('batch 1\nprev', 'prev'),
      text.replace('writer hospital-1\n', 'writer hospital-1\nwriter hospital-1\n'),
      text.replace('writer hospital-1', 'writer Hospital'),
      `${text}more 1\n`,
      text.replace('concordat/batch/v1', 'concordat/batch/v2'),
    ]) {
      assert.notEqual(changed, text);
      rejectsWith('malformed-batch', () => parseBatchHeader(sign(changed)));
    }
    rejectsWith('malformed-batch', () =>
      parseBatchHeader(formatNote(text, [signText(text, signingMember('payer').batch)])),
    );
    const twice = signText(text, hospital.batch);
    rejectsWith('malformed-batch', () => parseBatchHeader(formatNote(text, [twice, twice])));
  });

  test('with a body that is not what the header says are refused', () => {
    const built = buildBatch(args);
    const header = parseBatchHeader(built.header);
    rejectsWith('malformed-batch', () => parseBatchBody(header, built.body.subarray(1)));
    rejectsWith('malformed-batch', () => parseBatchBody({ ...header, count: 2 }, built.body));
    rejectsWith('malformed-batch', () => parseBatchBody({ ...header, root: NO_PREVIOUS_HEADER }, built.body));
  });
});

describe('cuts', () => {
  test('are read back as what was signed', () => {
    const frame = parseFrame(buildCut({ log: ORIGIN, member: 'hospital', cut: 7, signer: hospital.batch }));
    assert.equal(frame?.body.length, 0);
    const { log, member, cut } = parseCutHeader(frame?.header ?? new Uint8Array(0));
    assert.deepEqual([log, member, cut], [ORIGIN, 'hospital', 7]);
  });

  test('with another line are refused', () => {
    const text = `concordat/cut/v1\nlog ${ORIGIN}\nmember hospital\ncut 7\n`;
    const sign = (changed: string) => formatNote(changed, [signText(changed, hospital.batch)]);
    assert.equal(parseCutHeader(sign(text)).cut, 7);
    for (const changed of [
      text.replace('7', '0'),
      text.replace('7', '1.5'),
      `${text}size 9\n`,
      text.replace('member', 'writer'),
      text.slice(0, 20) + '\n',
    ]) {
      rejectsWith('malformed-cut', () => parseCutHeader(sign(changed)));
    }
    rejectsWith('malformed-note', () => parseCutHeader(encodeUtf8(text)));
  });
});
