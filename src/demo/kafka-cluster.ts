import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Server certificate and users for the SASL listeners; broker-to-broker traffic stays on loopback plaintext. */
export interface KafkaSecurity {
  readonly authorityPem: string;
  readonly keystorePem: string;
  readonly users: Readonly<Record<string, string>>;
}

export interface KafkaClusterOptions {
  readonly nodes: number;
  /** Node i (from 1) listens on basePort + 10 (i - 1): +0 plaintext, +1 controller, +2 SASL plaintext, +3 SASL over TLS, +4 TLS with client certificates. */
  readonly basePort: number;
  readonly dir: string;
  /** Folder of jars from `kafkaJars`. */
  readonly jars: string;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly security?: KafkaSecurity;
}

const JVM = [
  '-Xms64m',
  '-Xmx256m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:MaxDirectMemorySize=64m',
  '-Djava.awt.headless=true',
];
const READY = 'Kafka Server started';

/** Real Apache Kafka brokers in KRaft mode as child processes on loopback: started, killed, paused and brought back at will. */
export class KafkaCluster {
  readonly #options: KafkaClusterOptions;
  readonly #processes = new Map<number, ChildProcess>();

  constructor(options: KafkaClusterOptions) {
    this.#options = options;
  }

  get nodes(): readonly number[] {
    return Array.from({ length: this.#options.nodes }, (_, index) => index + 1);
  }

  /** Addresses of a listener: `plain`, or with `security` also `sasl`, `tls` and `mtls`. */
  brokers(listener: 'plain' | 'sasl' | 'tls' | 'mtls' = 'plain'): string[] {
    const shift = { plain: 0, sasl: 2, tls: 3, mtls: 4 }[listener];
    return this.nodes.map((node) => `127.0.0.1:${this.port(node, shift)}`);
  }

  port(node: number, shift = 0): number {
    return this.#options.basePort + 10 * (node - 1) + shift;
  }

  dataDir(node: number): string {
    return join(this.#options.dir, `node-${node}`, 'data');
  }

  async start(): Promise<void> {
    this.#format();
    await Promise.all(this.nodes.map((node) => this.startNode(node)));
  }

  async startNode(node: number): Promise<void> {
    const logFile = join(this.#options.dir, `node-${node}`, 'out.log');
    const mark = `--- start ${randomBytes(6).toString('hex')}`;
    const log = openSync(logFile, 'a');
    writeSync(log, `${mark}\n`);
    const logging = [
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
    ];
    const args = [...JVM, ...logging, '-cp', join(this.#options.jars, '*'), 'kafka.Kafka', this.#writeSettings(node)];
    const child = spawn('java', args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#processes.set(node, child);
    endWithThisProcess(child);
    for (const untilMs = Date.now() + 90_000; ; await delay(30)) {
      const text = readFileSync(logFile, 'utf8');
      if (text.slice(text.lastIndexOf(mark)).includes(READY)) return;
      if (child.exitCode !== null || Date.now() > untilMs) {
        throw new Error(`broker ${node} did not start: ${text.slice(-1_500)}`);
      }
    }
  }

  alive(node: number): boolean {
    const child = this.#processes.get(node);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  kill(node: number): Promise<void> {
    return this.#end(node, 'SIGKILL', 10_000);
  }

  stop(node: number): Promise<void> {
    return this.#end(node, 'SIGTERM', 20_000);
  }

  /** Stops a broker where it stands, and settles once none of its threads can answer any more. */
  async pause(node: number): Promise<void> {
    const child = this.#processes.get(node);
    child?.kill('SIGSTOP');
    // The signal stops the others only when the thread that takes it gets to run: on a busy machine one of them can still answer.
    while (child?.pid !== undefined && this.alive(node) && !stopped(child.pid)) await delay(1);
  }

  resume(node: number): void {
    this.#processes.get(node)?.kill('SIGCONT');
  }

  /** Copies a stopped node's data aside or back, to play a restored backup. */
  copyData(node: number, direction: 'aside' | 'back'): void {
    const [from, to] =
      direction === 'aside'
        ? [this.dataDir(node), `${this.dataDir(node)}.aside`]
        : [`${this.dataDir(node)}.aside`, this.dataDir(node)];
    rmSync(to, { recursive: true, force: true });
    cpSync(from, to, { recursive: true });
  }

  async close(options?: { wipe?: boolean }): Promise<void> {
    // With a majority gone a controlled shutdown waits for its timeout, so all go at once and are killed after it.
    await Promise.all(this.nodes.map((node) => this.#end(node, 'SIGTERM', 8_000)));
    if (options?.wipe === true) rmSync(this.#options.dir, { recursive: true, force: true });
  }

  async #end(node: number, signal: NodeJS.Signals, waitMs: number): Promise<void> {
    const child = this.#processes.get(node);
    if (child === undefined || !this.alive(node)) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGCONT');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), waitMs);
    await ended;
    clearTimeout(timer);
  }

  #format(): void {
    const { dir, security } = this.#options;
    mkdirSync(dir, { recursive: true });
    const idFile = join(dir, 'cluster.id');
    if (!existsSync(idFile)) writeFileSync(idFile, randomBytes(16).toString('base64url').replace(/^-/, 'A'));
    const clusterId = readFileSync(idFile, 'utf8').trim();
    const scram = Object.entries(security?.users ?? {}).flatMap(([name, password]) =>
      ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
        '--add-scram',
        `${mechanism}=[name=${name},password=${password}]`,
      ]),
    );
    for (const node of this.nodes) {
      const settings = this.#writeSettings(node);
      if (existsSync(join(this.dataDir(node), 'meta.properties'))) continue;
      const args = [
        '-XX:TieredStopAtLevel=1',
        '-cp',
        join(this.#options.jars, '*'),
        'kafka.tools.StorageTool',
        'format',
        '-t',
        clusterId,
        '-c',
        settings,
        ...scram,
      ];
      const result = spawnSync('java', args, { encoding: 'utf8' });
      if (result.status !== 0) throw new Error(`broker ${node} could not be formatted: ${result.stderr.slice(-1_500)}`);
    }
  }

  #writeSettings(node: number): string {
    const file = join(this.#options.dir, `node-${node}`, 'server.properties');
    mkdirSync(join(this.#options.dir, `node-${node}`), { recursive: true });
    const lines = Object.entries({ ...this.#settings(node), ...this.#options.settings }).map(
      ([name, value]) => `${name}=${value}\n`,
    );
    writeFileSync(file, lines.join(''));
    return file;
  }

  #settings(node: number): Record<string, string | number | boolean> {
    const replicas = Math.min(3, this.#options.nodes);
    const insync = Math.max(1, replicas - 1);
    const listeners = [`PLAINTEXT://127.0.0.1:${this.port(node)}`];
    if (this.#options.security !== undefined) {
      const secured = { SASL_PLAINTEXT: 2, SASL_SSL: 3, MTLS: 4 };
      for (const [name, shift] of Object.entries(secured))
        listeners.push(`${name}://127.0.0.1:${this.port(node, shift)}`);
    }
    return {
      'process.roles': 'broker,controller',
      'node.id': node,
      'controller.quorum.voters': this.nodes.map((other) => `${other}@127.0.0.1:${this.port(other, 1)}`).join(','),
      listeners: [...listeners, `CONTROLLER://127.0.0.1:${this.port(node, 1)}`].join(','),
      'advertised.listeners': listeners.join(','),
      'controller.listener.names': 'CONTROLLER',
      'inter.broker.listener.name': 'PLAINTEXT',
      'listener.security.protocol.map':
        'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,MTLS:SSL,PROXY:PLAINTEXT',
      'log.dirs': this.dataDir(node),
      'default.replication.factor': replicas,
      'min.insync.replicas': insync,
      'unclean.leader.election.enable': false,
      'offsets.topic.replication.factor': replicas,
      'offsets.topic.num.partitions': 1,
      'transaction.state.log.replication.factor': replicas,
      'transaction.state.log.min.isr': insync,
      'transaction.state.log.num.partitions': 1,
      'share.coordinator.state.topic.replication.factor': replicas,
      'share.coordinator.state.topic.min.isr': insync,
      'auto.create.topics.enable': false,
      'log.retention.check.interval.ms': 2000,
      'log.segment.delete.delay.ms': 1000,
      'log.initial.task.delay.ms': 500,
      'log.cleaner.backoff.ms': 500,
      'num.network.threads': 2,
      'num.io.threads': 2,
      'background.threads': 2,
      'broker.session.timeout.ms': 2000,
      'broker.heartbeat.interval.ms': 300,
      ...securitySettings(this.#options.security),
    };
  }
}

/** Java does not notice that its parent was killed: a shell that reads from us until we are gone, however we go, ends the broker then. */
function endWithThisProcess(broker: ChildProcess): void {
  const watch = spawn('sh', ['-c', 'read -r line; kill -9 "$0"', String(broker.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // In a group of its own: Ctrl-C in the terminal is for us alone.
    detached: true,
  });
  broker.once('exit', () => watch.kill('SIGKILL'));
}

function securitySettings(security: KafkaSecurity | undefined): Record<string, string> {
  if (security === undefined) return {};
  const users = Object.entries(security.users).map(([name, password]) => `user_${name}="${password}"`);
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required ${users.join(' ')};`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  const perListener = ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
    [`listener.name.${listener}.plain.sasl.jaas.config`, plain],
    [`listener.name.${listener}.scram-sha-256.sasl.jaas.config`, scram],
    [`listener.name.${listener}.scram-sha-512.sasl.jaas.config`, scram],
  ]);
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Loopback plaintext is the brokers' own; everybody else needs a rule.
    'super.users': 'User:ANONYMOUS;User:admin',
    'allow.everyone.if.no.acl.found': 'false',
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': security.keystorePem,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': security.authorityPem,
    'ssl.client.auth': 'none',
    'listener.name.mtls.ssl.client.auth': 'required',
    ...Object.fromEntries(perListener),
  };
}

/** Whether every thread of a process is stopped; where the system has no /proc, taken to be so. */
function stopped(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/task`)) return true;
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    try {
      return /^State:\s*T/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'));
    } catch {
      return true; // a thread that ended meanwhile
    }
  });
}
