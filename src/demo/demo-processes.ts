import { join } from 'node:path';
import { DemoChild } from './child-process.ts';
import type { ConsortiumPlan } from './consortium-plan.ts';

const UPSTREAM_FILE = new URL('./upstream-process.ts', import.meta.url).pathname;
const CLI_FILE = new URL('../cli/main.ts', import.meta.url).pathname;
const READY_TIMEOUT_MS = 60_000;

/** Everything of the demo that is a process of its own: six FHIR servers and three gateways. */
export class DemoProcesses {
  readonly #upstreams: readonly DemoChild[];
  readonly #gateways: readonly DemoChild[];

  constructor(plan: ConsortiumPlan, onRestart: (title: string) => void) {
    const child = (title: string, file: string, args: readonly string[]) => {
      const logFile = join(plan.logDir, `${title.replaceAll(' ', '-')}.log`);
      return new DemoChild({ title, file, args, logFile, readyTimeoutMs: READY_TIMEOUT_MS, onRestart });
    };
    this.#upstreams = plan.members.flatMap((member) =>
      member.upstreams.map(({ name, port, dataDir }) =>
        child(`${member.name} ${name}`, UPSTREAM_FILE, ['--name', name, '--port', String(port), '--data', dataDir]),
      ),
    );
    this.#gateways = plan.members.map((member) =>
      child(`${member.name} gateway`, CLI_FILE, ['start', '--config', member.configFile]),
    );
  }

  /** @throws {ChildError} ended-early | not-ready */
  async start(onReady: (title: string) => void): Promise<void> {
    const startAll = (children: readonly DemoChild[]) =>
      Promise.all(children.map((child) => child.start().then(() => onReady(child.title))));
    await Promise.all([startAll(this.#upstreams), startAll(this.#gateways)]);
  }

  /** Gateways first: they finish what clients asked for while their upstreams are still there. */
  async stop(): Promise<void> {
    await Promise.all(this.#gateways.map((child) => child.stop()));
    await Promise.all(this.#upstreams.map((child) => child.stop()));
  }

  pids(): number[] {
    return [...this.#gateways, ...this.#upstreams].flatMap((child) => child.pid ?? []);
  }
}
