import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ChildError } from './child-process.ts';
import { fillFolder, runCommand } from './kafka-jars.ts';

const HAPI_VERSION = '8.8.0';
const READY_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 20_000;

/** Compiles the server and gathers its jars (166 MB from Maven Central) once, into a cache of the user's; resolves with its folder. */
export async function hapiClasses(cacheDir = join(homedir(), '.cache', 'concordat')): Promise<string> {
  const folder = join(cacheDir, `hapi-${HAPI_VERSION}`);
  if (existsSync(join(folder, '.complete'))) return folder;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const pom = fileURLToPath(new URL('hapi/pom.xml', import.meta.url));
  const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  const args = ['-q', '-B', '-f', pom, `-DoutputDir=${partial}`, 'compile', copy, '-DincludeScope=runtime'];
  await fillFolder(partial, folder, () => runCommand('mvn', [...args, `-DoutputDirectory=${join(partial, 'lib')}`]));
  return folder;
}

export interface HapiServerOptions {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  readonly logFile: string;
}

/** HAPI FHIR R4 as a process of its own; it ends when our end of its standard input closes, however we end. */
export class HapiServer {
  readonly #options: HapiServerOptions;
  #child: ChildProcess | undefined;

  constructor(options: HapiServerOptions) {
    this.#options = options;
  }

  get title(): string {
    return `${this.#options.name} (HAPI)`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** @throws {ChildError} ended-early | not-ready */
  async start(): Promise<void> {
    const { port, dataDir, logFile } = this.#options;
    const classes = await hapiClasses();
    mkdirSync(dataDir, { recursive: true });
    mkdirSync(dirname(logFile), { recursive: true });
    const classPath = [join(classes, 'classes'), join(classes, 'lib', '*')].join(':');
    const flags = [
      '-Xmx1g',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    ];
    const child = spawn('java', [...flags, '-cp', classPath, 'HapiServer', String(port), dataDir], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    const log = createWriteStream(logFile, { flags: 'a', mode: 0o600 });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new ChildError('not-ready', `${this.title} was not ready in ${READY_TIMEOUT_MS} ms; see ${logFile}`));
      }, READY_TIMEOUT_MS);
      const ended = (): void => {
        clearTimeout(timer);
        reject(new ChildError('ended-early', `${this.title} ended while starting; see ${logFile}`));
      };
      child.once('exit', ended);
      child.stdout.on('data', (chunk: Buffer) => {
        if (!chunk.includes('READY')) return;
        clearTimeout(timer);
        child.off('exit', ended);
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      child.stdin?.end();
    });
  }
}
