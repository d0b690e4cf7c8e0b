import { findFreePorts } from '../src/demo/free-ports.ts';
import { KafkaCluster } from '../src/demo/kafka-cluster.ts';
import { kafkaJars } from '../src/demo/kafka-jars.ts';
import { serveTask } from './bench-ledger-process.ts';

/** Keeps one Kafka broker for as long as its parent lives: a Java process does not notice that its parent was killed, this one does. */
export interface BrokerTask {
  /** Folder for the broker's data; removed in the end. */
  readonly dir: string;
}

export interface BrokerAnswer {
  readonly brokers: readonly string[];
}

const FIRST_PORT = 21_000;
const running: { cluster?: KafkaCluster } = {};

async function start({ dir }: BrokerTask): Promise<BrokerAnswer> {
  const cluster = new KafkaCluster({ nodes: 1, basePort: await freePair(), dir, jars: await kafkaJars() });
  running.cluster = cluster;
  await cluster.start();
  return { brokers: cluster.brokers() };
}

/** Two neighbouring ports that are free now. */
async function freePair(): Promise<number> {
  for (let port = FIRST_PORT + (process.pid % 4000) * 2; ; port += 2) {
    const [first, second] = await findFreePorts(port, 2);
    if (first === port && second === port + 1) return port;
  }
}

serveTask<BrokerTask>(start, async () => running.cluster?.close({ wipe: true }));
