import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { KafkaTopic } from '../../src/ledger/kafka-topic.ts';

/**
 * A process with an idle connection: prints how many timers were armed and how many warnings came in two seconds.
 * Arguments: broker, topic, and `ours` or `plain` for kafkajs as it is.
 */
const [broker = '', topic = '', whose] = process.argv.slice(2);
const counted = { timers: 0, warnings: 0 };
process.on('warning', ({ name }) => {
  if (name === 'TimeoutNegativeWarning') counted.warnings++;
});
const armTimer = globalThis.setTimeout;
globalThis.setTimeout = new Proxy(armTimer, {
  apply(target, self, args) {
    counted.timers++;
    return Reflect.apply(target, self, args) as unknown;
  },
});

async function connected(): Promise<() => Promise<void>> {
  if (whose === 'ours') {
    const opened = new KafkaTopic({ brokers: [broker], topic });
    await opened.connect();
    await opened.append(Buffer.from('before the pause'));
    return () => opened.close();
  }
  const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  await producer.send({ topic, messages: [{ value: 'before the pause' }] });
  return () => producer.disconnect();
}

const close = await connected();
await delay(200);
counted.timers = 0;
await delay(2_000);
process.stdout.write(JSON.stringify(counted));
await close();
