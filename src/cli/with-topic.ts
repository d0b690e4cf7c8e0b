import { pino } from 'pino';
import type { Config } from '../config/config.ts';
import type { Topic } from '../ledger/transport.ts';
import { CommandError } from './command-error.ts';

/** Works with a gateway's topic, connected. @throws {CommandError} not-reachable: it took no record, or cannot be read */
export async function withTopic<T>(config: Config, work: (topic: Topic) => Promise<T>): Promise<T> {
  const { openTopic } = await import('../main/open-topic.ts');
  const topic = openTopic(config.ledger.topic, pino({ level: 'silent' }));
  try {
    await topic.connect();
    return await work(topic);
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    const message = 'the topic does not answer; see with `governance list` before trying again';
    throw new CommandError('not-reachable', message, { cause });
  } finally {
    await topic.close();
  }
}
