import { pino } from 'pino';
import type { Config } from '../config/config.ts';
import type { Topic } from '../ledger/transport.ts';
import { topicReason } from '../main/topic-reason.ts';
import { CommandError } from './command-error.ts';

const READ_BYTES = 1 << 20;

/** Works with a gateway's topic, connected. @throws {CommandError} not-reachable: it took no record, or cannot be read */
export async function withTopic<T>(config: Config, work: (topic: Topic) => Promise<T>): Promise<T> {
  const { openTopic } = await import('../main/open-topic.ts');
  const topic = openTopic(config.ledger.topic, pino({ level: 'silent' }));
  try {
    await topic.connect().catch((cause: unknown) => {
      throw new CommandError('not-reachable', `the topic cannot be reached (${topicReason(cause)}); nothing was sent`, {
        cause,
      });
    });
    return await work(topic);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    const message = `the topic does not answer (${topicReason(cause)}); see with \`governance list\` before trying again`;
    throw new CommandError('not-reachable', message, { cause });
  } finally {
    await topic.close();
  }
}

/** Values of the records from one offset up to another, in order. */
export async function* topicRecords(topic: Topic, fromOffset: bigint, endOffset: bigint): AsyncGenerator<Uint8Array> {
  for (let next = fromOffset; next < endOffset;) {
    const { records } = await topic.read({ fromOffset: next, maximumBytes: READ_BYTES, waitMs: 1000 });
    const last = records.at(-1);
    if (last === undefined) return;
    for (const { value } of records) yield value;
    next = last.offset + 1n;
  }
}
