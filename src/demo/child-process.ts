import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError } from '../errors.ts';

export class ChildError extends AppError<'ended-early' | 'not-ready'> {}

export interface ChildOptions {
  /** How it is called in messages, e.g. `hospital gateway`. */
  readonly title: string;
  readonly file: string;
  readonly args: readonly string[];
  /** Gets what the process prints. */
  readonly logFile: string;
  readonly readyTimeoutMs: number;
  /** Told when it had to be started again. */
  readonly onRestart: (title: string) => void;
}

const STOP_TIMEOUT_MS = 15_000;
const MOST_RESTARTS = 5;

/**
 * A process of the demo. It says over its channel to us when it is ready, and ends by itself when that channel closes, so none is left behind however we end.
 * One that dies is started again, on the same port and data, at most five times.
 */
export class DemoChild {
  readonly #options: ChildOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restarts = 0;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get title(): string {
    return this.#options.title;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves once the process says that it is ready. @throws {ChildError} ended-early | not-ready */
  async start(): Promise<void> {
    const { title, file, args, logFile, readyTimeoutMs } = this.#options;
    mkdirSync(dirname(logFile), { recursive: true });
    const child = fork(file, [...args], {
      // Bounds V8's young generation, as `npm run concordat` does: docs/performance.md, "Memory".
      execArgv: ['--max-semi-space-size=16', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    const log = openSync(logFile, 'a', 0o600);
    child.stdout?.on('data', (chunk: Buffer) => append(log, chunk));
    child.stderr?.on('data', (chunk: Buffer) => append(log, chunk));
    child.once('close', () => closeSync(log));
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new ChildError('not-ready', `${title} was not ready in ${readyTimeoutMs} ms; see ${logFile}`));
      }, readyTimeoutMs);
      child.once('message', () => {
        clearTimeout(timer);
        child.off('exit', ended);
        resolve();
      });
      const ended = (): void => {
        clearTimeout(timer);
        reject(new ChildError('ended-early', `${title} ended while starting${reasonIn(logFile)}; see ${logFile}`));
      };
      child.once('exit', ended);
    });
    child.once('exit', () => void this.#ended());
  }

  /** Asks the process to end in order, and ends it if it does not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.kill('SIGTERM');
    });
  }

  async #ended(): Promise<void> {
    if (this.#stopping || this.#restarts >= MOST_RESTARTS) return;
    this.#restarts += 1;
    this.#options.onRestart(this.#options.title);
    try {
      await this.start();
    } catch {
      await this.#ended();
    }
  }
}

/** On a full disk log lines are lost, not the demo; the channel is read on, or the process would wait for it. */
function append(log: number, chunk: Buffer): void {
  try {
    writeSync(log, chunk);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

/** The last line that a process of ours wrote about why it ended. */
function reasonIn(logFile: string): string {
  const line = readFileSync(logFile, 'utf8')
    .trimEnd()
    .split('\n')
    .findLast((text) => /^(concordat|Error): /.test(text));
  return line === undefined ? '' : ` (${line.slice(line.indexOf(': ') + 2)})`;
}
