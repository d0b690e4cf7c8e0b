import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePorts } from './free-ports.ts';
import { KafkaCluster } from './kafka-cluster.ts';
import { kafkaJars } from './kafka-jars.ts';

const FIRST_PORT = 19_092;
const PORTS_SPANNED = 22;

/** Three brokers that keep their data in a folder, on the ports of the last start where they are free again. */
export async function startBrokers(dir: string): Promise<KafkaCluster> {
  mkdirSync(dir, { recursive: true });
  const cluster = new KafkaCluster({ nodes: 3, basePort: await basePort(dir), dir, jars: await kafkaJars() });
  try {
    await cluster.start();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

async function basePort(dir: string): Promise<number> {
  const file = join(dir, 'base-port');
  const first = existsSync(file) ? Number(readFileSync(file, 'utf8')) : FIRST_PORT;
  for (let base = first; ; base += PORTS_SPANNED) {
    const free = await findFreePorts(base, PORTS_SPANNED);
    if (free.at(-1) !== base + PORTS_SPANNED - 1) continue;
    writeFileSync(file, String(base));
    return base;
  }
}
