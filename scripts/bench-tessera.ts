import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findFreePorts } from '../src/demo/free-ports.ts';
import { generateSigningKey } from '../src/ledger/note-key.ts';

const VERSION = 'v1.0.4';
const MODULE = 'github.com/transparency-dev/tessera';
const FIRST_PORT = 23_000;
/** As long as our events. */
const LEAF_BYTES = 140;
const WARM_UP_MS = 3_000;
const INSTALL_TIMEOUT_MS = 300_000;

/** Tessera's own server for a log on a POSIX disk, and its load generator. */
export interface TesseraPrograms {
  readonly posix: string;
  readonly hammer: string;
}

/** Installs both with `go install`, once. @returns why they cannot be had, as a text */
export async function findTessera(): Promise<TesseraPrograms | string> {
  const cache = join(tmpdir(), `concordat-tessera-${VERSION}`);
  const programs = { posix: join(cache, 'posix'), hammer: join(cache, 'hammer') };
  if (existsSync(programs.posix) && existsSync(programs.hammer)) return programs;
  if (spawnSync('go', ['version'], { stdio: 'ignore' }).status !== 0) return 'go is not there';
  mkdirSync(cache, { recursive: true });
  const env = { ...process.env, GOBIN: cache };
  for (const path of ['cmd/conformance/posix', 'internal/hammer']) {
    const program = `${MODULE}/${path}@${VERSION}`;
    try {
      await promisify(execFile)('go', ['install', program], { env, timeout: INSTALL_TIMEOUT_MS });
    } catch {
      return `go install ${program} fails`;
    }
  }
  return programs;
}

/** A Tessera log and one hammer at a time; `end` stops both. */
export class TesseraLog {
  readonly #programs: TesseraPrograms;
  readonly #folder: string;
  readonly #key = generateSigningKey({ name: 'bench.example/tessera', type: 0x01, seed: randomBytes(32) });
  readonly #running: ChildProcess[] = [];
  #url = '';

  constructor(programs: TesseraPrograms, folder: string) {
    this.#programs = programs;
    this.#folder = join(folder, 'tessera');
  }

  async start(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const keyFile = join(this.#folder, 'key');
    writeFileSync(keyFile, this.#key.signerKey, { mode: 0o600 });
    const [port = FIRST_PORT] = await findFreePorts(FIRST_PORT + (process.pid % 4000), 1);
    const listen = `127.0.0.1:${String(port)}`;
    this.#url = `http://${listen}/`;
    const storage = join(this.#folder, 'log');
    this.#spawn(this.#programs.posix, ['--storage_dir', storage, '--listen', listen, '--private_key', keyFile]);
    for (const untilMs = Date.now() + 30_000; ; await delay(100)) {
      const size = await this.size().catch(() => undefined);
      if (size !== undefined) return;
      if (Date.now() > untilMs) throw new Error(`Tessera did not start: ${this.#output()}`);
    }
  }

  /** Size of its published checkpoint. */
  async size(): Promise<number> {
    const size = Number((await (await fetch(`${this.#url}checkpoint`)).text()).split('\n')[1]);
    if (!Number.isSafeInteger(size)) throw new Error('Tessera has no checkpoint');
    return size;
  }

  /**
   * Lets the hammer write, without reading and without duplicates, and measures in the middle of it.
   * @param writers    writes in flight
   * @param count      how many entries there are so far
   * @param writeUrl   another server than Tessera's own, whose `POST add` answers with a number
   * @returns entries/s
   */
  async hammer(writers: number, seconds: number, count: () => Promise<number>, writeUrl = this.#url): Promise<number> {
    const hammer = this.#spawn(this.#programs.hammer, [
      ...['--log_url', this.#url, '--write_log_url', writeUrl, '--log_public_key', this.#key.verifierKey],
      ...['--show_ui=false', '--num_readers_full=0', '--num_readers_random=0', '--max_read_ops=0', '--dup_chance=0'],
      ...[`--num_writers=${String(writers)}`, '--max_write_ops=1000000', `--leaf_min_size=${String(LEAF_BYTES)}`],
    ]);
    await delay(WARM_UP_MS);
    const startedMs = performance.now();
    const before = await count();
    await delay(seconds * 1000);
    const written = (await count()) - before;
    const perSecond = Math.round((written * 1000) / (performance.now() - startedMs));
    await endProcess(hammer);
    if (written === 0) throw new Error(`the hammer wrote nothing: ${this.#output()}`);
    return perSecond;
  }

  async end(): Promise<void> {
    await Promise.all(this.#running.map(endProcess));
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.#folder, 'out.log'), 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#running.push(child);
    return child;
  }

  #output(): string {
    return readFileSync(join(this.#folder, 'out.log'), 'utf8').slice(-1_000);
  }
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}
