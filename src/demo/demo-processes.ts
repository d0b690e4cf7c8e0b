import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DemoChild } from './child-process.ts';
import type { ConsortiumPlan, PlannedServer } from './consortium-plan.ts';
import { HapiServer } from './hapi-server.ts';

const UPSTREAM_FILE = fileURLToPath(new URL('./upstream-process.ts', import.meta.url));
const CLI_FILE = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** What starts, says when it is ready, and stops. */
interface Startable {
  readonly title: string;
  readonly pid: number | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Everything of the consortium that is a process of its own but brokers: FHIR servers and gateways. */
export class DemoProcesses {
  readonly #servers: readonly Startable[];
  readonly #gateways: readonly Startable[];

  constructor(plan: ConsortiumPlan, onRestart: (title: string) => void) {
    const child = (title: string, file: string, args: readonly string[]) => {
      const logFile = join(plan.logDir, `${title.replaceAll(' ', '-')}.log`);
      return new DemoChild({ title, file, args, logFile, readyTimeoutMs: READY_TIMEOUT_MS, onRestart });
    };
    const server = ({ kind, name, port, dataDir }: PlannedServer): Startable =>
      kind === 'hapi'
        ? new HapiServer({ name, port, dataDir, logFile: join(plan.logDir, `${name}.log`) })
        : child(name, UPSTREAM_FILE, ['--name', name, '--port', String(port), '--data', dataDir]);
    this.#servers = plan.servers.map(server);
    this.#gateways = plan.members.map((member) =>
      child(`${member.name} gateway`, CLI_FILE, ['start', '--config', member.configFile]),
    );
  }

  /** @throws {ChildError} ended-early | not-ready */
  async start(onReady: (title: string) => void): Promise<void> {
    const startAll = (children: readonly Startable[]) =>
      Promise.all(children.map((child) => child.start().then(() => onReady(child.title))));
    await Promise.all([startAll(this.#servers), startAll(this.#gateways)]);
  }

  /** Gateways first: they finish what clients asked for while their upstreams are still there. */
  async stop(): Promise<void> {
    await Promise.all(this.#gateways.map((child) => child.stop()));
    await Promise.all(this.#servers.map((child) => child.stop()));
  }

  pids(): number[] {
    return [...this.#gateways, ...this.#servers].flatMap((child) => child.pid ?? []);
  }
}
