import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '../../src/hash.ts';
import { TransportError, type Topic, type TopicRead, type TransportCode } from '../../src/ledger/transport.ts';

/** One fresh, empty topic; `client()` makes an unconnected client of it, as another process would have. */
export interface TopicUnderTest {
  client(): Topic;
  /** Removes the records before an offset, as retention does. */
  trim(offset: bigint): Promise<void>;
  cleanup(): Promise<void>;
}

const text = (value: Uint8Array): string => new TextDecoder().decode(value);
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);

/** The one contract of every transport (design/ledger "Transport"). Each test makes a topic of its own. */
export function topicContract(
  name: string,
  makeTopic: () => Promise<TopicUnderTest>,
  options: { waitMs?: number } = {},
): void {
  const waitMs = options.waitMs ?? 5000;

  async function withTopic(body: (topic: Topic, other: Topic, made: TopicUnderTest) => Promise<void>): Promise<void> {
    const made = await makeTopic();
    const [topic, other] = [made.client(), made.client()];
    try {
      await topic.connect();
      await other.connect();
      await body(topic, other, made);
    } finally {
      await topic.close();
      await other.close();
      await made.cleanup();
    }
  }

  /** Reads until `count` records are there; a read may return fewer, or none for a while. */
  async function readAll(topic: Topic, fromOffset: bigint, count: number): Promise<TopicRead['records']> {
    const records = [];
    let next = fromOffset;
    const untilMs = Date.now() + waitMs;
    while (records.length < count && Date.now() < untilMs) {
      const read = await topic.read({ fromOffset: next, maximumBytes: 1 << 20, waitMs: 200 });
      records.push(...read.records);
      const last = read.records.at(-1);
      if (last !== undefined) next = last.offset + 1n;
    }
    return records;
  }

  const withCode = (code: TransportCode, offset?: bigint) => (error: unknown) =>
    error instanceof TransportError && error.code === code && (offset === undefined || error.offset === offset);

  describe(`${name} keeps the topic contract`, () => {
    test('a new topic is empty and a read of it waits, then answers with nothing', async () => {
      await withTopic(async (topic) => {
        const startedMs = performance.now();
        const read = await topic.read({ fromOffset: 0n, maximumBytes: 1000, waitMs: 60 });
        assert.equal(read.records.length, 0);
        assert.equal(read.endOffset, 0n);
        assert.ok(performance.now() - startedMs >= 40);
      });
    });

    test('records come back in order, to every client, byte for byte', async () => {
      await withTopic(async (topic, other) => {
        const values = ['first', '', 'third', '\u0000\u00ff binary'];
        const offsets = [];
        for (const value of values) offsets.push(await topic.append(bytes(value)));
        for (const client of [topic, other]) {
          const records = await readAll(client, 0n, values.length);
          assert.deepEqual(
            records.map((record) => text(record.value)),
            values,
          );
          assert.deepEqual(
            records.map((record) => record.offset),
            offsets,
          );
        }
        assert.ok((await other.endOffset()) > (offsets.at(-1) as bigint));
      });
    });

    test('appends called at once are stored in the order of the calls', async () => {
      await withTopic(async (topic) => {
        const values = Array.from({ length: 50 }, (_, i) => `record ${String(i)}`);
        await Promise.all(values.map((value) => topic.append(bytes(value))));
        const records = await readAll(topic, 0n, values.length);
        assert.deepEqual(
          records.map((record) => text(record.value)),
          values,
        );
      });
    });

    test('two clients that append at once lose nothing, and each keeps its order', async () => {
      await withTopic(async (topic, other) => {
        const count = 40;
        const send = async (client: Topic, label: string): Promise<void> => {
          for (let i = 0; i < count; i++) await client.append(bytes(`${label}${String(i)}`));
        };
        await Promise.all([send(topic, 'a'), send(other, 'b')]);
        const seen = (await readAll(topic, 0n, 2 * count)).map((record) => text(record.value));
        for (const label of ['a', 'b']) {
          const own = seen.filter((value) => value.startsWith(label));
          assert.deepEqual(
            own,
            Array.from({ length: count }, (_, i) => `${label}${String(i)}`),
          );
        }
      });
    });

    test('a waiting read is answered soon after another client appends', async () => {
      await withTopic(async (topic, other) => {
        const waiting = topic.read({ fromOffset: 0n, maximumBytes: 1000, waitMs });
        await other.append(bytes('now'));
        const startedMs = performance.now();
        assert.deepEqual(
          (await waiting).records.map((record) => text(record.value)),
          ['now'],
        );
        assert.ok(performance.now() - startedMs < waitMs / 2);
      });
    });

    test('a read goes on from any offset and keeps to its byte limit, but gives at least one record', async () => {
      await withTopic(async (topic) => {
        for (let i = 0; i < 8; i++) await topic.append(new Uint8Array(400).fill(i));
        const all = await readAll(topic, 0n, 8);
        const third = all[2];
        assert.ok(third !== undefined);
        const read = await topic.read({ fromOffset: third.offset, maximumBytes: 100, waitMs });
        assert.equal(read.records[0]?.offset, third.offset);
        assert.equal(read.records[0]?.value[0], 2);
        const rest = await readAll(topic, third.offset, 6);
        assert.deepEqual(
          rest.map((record) => record.value[0]),
          [2, 3, 4, 5, 6, 7],
        );
      });
    });

    test('a read past the end is told apart as truncated, with the end', async () => {
      await withTopic(async (topic) => {
        const offset = await topic.append(bytes('only'));
        await assert.rejects(
          topic.read({ fromOffset: offset + 5n, maximumBytes: 1000, waitMs: 50 }),
          withCode('truncated', offset + 1n),
        );
      });
    });

    test('an anchor that holds lets the read go on; another hash there is anchor-mismatch', async () => {
      await withTopic(async (topic) => {
        const offset = await topic.append(bytes('anchored'));
        await topic.append(bytes('next'));
        const args = { fromOffset: offset + 1n, maximumBytes: 1000, waitMs };
        const read = await topic.read({ ...args, anchor: { offset, hash: sha256(bytes('anchored')) } });
        assert.equal(text(read.records[0]?.value ?? bytes('')), 'next');
        const wrong = { ...args, anchor: { offset, hash: sha256(bytes('other')) } };
        await assert.rejects(topic.read(wrong), withCode('anchor-mismatch'));
      });
    });

    test('an anchor past the end is told apart as truncated, with the end', async () => {
      await withTopic(async (topic) => {
        const offset = await topic.append(bytes('only'));
        const anchor = { offset: offset + 3n, hash: sha256(bytes('gone')) };
        await assert.rejects(
          topic.read({ fromOffset: offset + 4n, maximumBytes: 1000, waitMs: 50, anchor }),
          withCode('truncated', offset + 1n),
        );
      });
    });

    test('what retention cut is told apart as trimmed, with the beginning; the rest is read', async () => {
      await withTopic(async (topic, _other, made) => {
        for (const value of ['a', 'b', 'c', 'd']) await topic.append(bytes(value));
        await made.trim(2n);
        const anchor = { offset: 1n, hash: sha256(bytes('b')) };
        const args = { maximumBytes: 1000, waitMs: 50 };
        await assert.rejects(topic.read({ ...args, fromOffset: 0n }), withCode('trimmed', 2n));
        await assert.rejects(topic.read({ ...args, fromOffset: 2n, anchor }), withCode('trimmed', 2n));
        const read = await readAll(topic, 2n, 2);
        assert.deepEqual(
          read.map((record) => text(record.value)),
          ['c', 'd'],
        );
        assert.equal((await topic.read({ fromOffset: 4n, maximumBytes: 1000, waitMs: 0 })).startOffset, 2n);
      });
    });

    test('a topic that is trimmed to its end is told apart from an empty one', async () => {
      await withTopic(async (topic, _other, made) => {
        for (const value of ['a', 'b']) await topic.append(bytes(value));
        await made.trim(2n);
        const args = { fromOffset: 2n, maximumBytes: 1000, waitMs: 0 };
        assert.deepEqual((await topic.read(args)).records, []);
        assert.equal(await topic.append(bytes('c')), 2n);
        const anchor = { offset: 1n, hash: sha256(bytes('b')) };
        await assert.rejects(topic.read({ ...args, waitMs: 50, anchor }), withCode('trimmed', 2n));
      });
    });

    test('a record beyond the limit is refused, and the next one is stored', async () => {
      await withTopic(async (topic) => {
        await assert.rejects(topic.append(new Uint8Array(3_000_000)), withCode('too-large'));
        await topic.append(bytes('fits'));
        assert.deepEqual(
          (await readAll(topic, 0n, 1)).map((record) => text(record.value)),
          ['fits'],
        );
      });
    });

    test('an aborted wait ends at once', async () => {
      await withTopic(async (topic) => {
        const abort = new AbortController();
        const startedMs = performance.now();
        const waiting = topic.read({ fromOffset: 0n, maximumBytes: 1000, waitMs: 4000, signal: abort.signal });
        setTimeout(() => abort.abort(), 20);
        await waiting.catch((error: unknown) => assert.ok(error instanceof TransportError));
        assert.ok(performance.now() - startedMs < 3000);
      });
    });

    test('a described topic has no drift, and a closed one refuses', async () => {
      await withTopic(async (topic) => {
        assert.deepEqual((await topic.describe()).drift, []);
        await topic.close();
        await assert.rejects(topic.append(bytes('late')), withCode('closed'));
        await assert.rejects(topic.read({ fromOffset: 0n, maximumBytes: 1, waitMs: 0 }), withCode('closed'));
      });
    });
  });
}
