import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

/** Processes of a bench, each of which is told one task and answers once. They end by themselves when their parent is gone. */
export class BenchProcesses {
  readonly #running = new Set<{ child: ChildProcess; ended: Promise<void> }>();

  /** Runs a task to its end in a process of its own. @param file in this folder; it calls `serveTask` */
  async run<Answer>(file: string, task: object): Promise<Answer> {
    const started = this.#fork(file);
    try {
      return await askChild<Answer>(started.child, task);
    } finally {
      await endChild(started);
    }
  }

  /** Starts a process that stays after its answer, until `endAll`. */
  start<Answer>(file: string, task: object): Promise<Answer> {
    return askChild<Answer>(this.#fork(file).child, task);
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#running].map(endChild));
  }

  #fork(file: string): { child: ChildProcess; ended: Promise<void> } {
    const child = fork(join(import.meta.dirname, file), [], {
      // As a gateway is started: see "Memory" in docs/performance.md.
      execArgv: ['--max-semi-space-size=16', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const started = { child, ended };
    this.#running.add(started);
    void ended.then(() => this.#running.delete(started));
    return started;
  }
}

function askChild<Answer>(child: ChildProcess, task: object): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Answer));
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${String(code)}`)));
    child.once('error', reject);
    child.send(task);
  });
}

async function endChild({ child, ended }: { child: ChildProcess; ended: Promise<void> }): Promise<void> {
  if (child.connected) child.disconnect();
  await ended;
}

/**
 * The child's side: one task in, one answer out; then it waits until the channel closes. Ctrl-C reaches the whole group of processes: the parent says what ends when.
 * @param work resolves with the answer
 * @param putAway what must be done before the process ends, whatever happened
 */
export function serveTask<Task>(
  work: (task: Task) => Promise<object>,
  putAway: () => Promise<void> = async () => {},
): void {
  const end = async (code: number): Promise<void> => {
    await putAway();
    process.exit(code);
  };
  process.on('SIGINT', () => {});
  process.once('disconnect', () => void end(0));
  process.once('message', (task) => {
    void work(task as Task).then(
      (answer) => process.send?.(answer),
      (error: unknown) => {
        console.error(error);
        void end(1);
      },
    );
  });
}
