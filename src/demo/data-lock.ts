import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../errors.ts';

export class DataLockError extends AppError<'in-use'> {}

const POLL_MS = 100;

/**
 * Keeps two demos off one folder. The file names the processes that may write there; those of a demo that was killed end by themselves within seconds,
 * and are waited for.
 */
export class DataLock {
  readonly #file: string;

  private constructor(file: string) {
    this.#file = file;
  }

  /** @param waitMs for processes of an earlier demo @throws {DataLockError} in-use */
  static async take(dataDir: string, waitMs: number): Promise<DataLock> {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const file = join(dataDir, 'processes.json');
    const untilMs = Date.now() + waitMs;
    while (readPids(file).some(isDemoProcess)) {
      if (Date.now() > untilMs)
        throw new DataLockError('in-use', `a demo is running in ${dataDir}; give another folder with --data`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const lock = new DataLock(file);
    lock.note([process.pid]);
    return lock;
  }

  /** Names the processes that are at work now. */
  note(pids: readonly number[]): void {
    // Put in place whole: a half-written list would read as if nobody were at work.
    const partial = `${this.#file}.partial`;
    writeFileSync(partial, JSON.stringify(pids));
    renameSync(partial, this.#file);
  }

  release(): void {
    rmSync(this.#file, { force: true });
  }
}

function readPids(file: string): number[] {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(value) ? value.filter((pid) => Number.isInteger(pid) && pid !== process.pid) : [];
  } catch {
    return [];
  }
}

/** Whether the process is alive; where the system can say so (Linux), also that it is one of ours and its number was not given to another. */
function isDemoProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return /upstream-process\.ts|cli\/main\.ts|concordat/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return true;
  }
}
