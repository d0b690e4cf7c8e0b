import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KAFKA_VERSION = '4.3.1';

/** Whether `java` and `mvn` answer; the reason to skip when they do not. */
export function missingForKafka(): string | undefined {
  for (const [command, argument] of [
    ['java', '-version'],
    ['mvn', '--version'],
  ] as const) {
    if (spawnSync(command, [argument], { stdio: 'ignore' }).status !== 0) return `${command} is not there`;
  }
  return undefined;
}

/**
 * Apache Kafka's jars from Maven Central, 44 MB, kept in a cache of the user's; resolves with their folder.
 * The folder is moved into place whole, so a broken download is done again.
 */
export async function kafkaJars(cacheDir = join(homedir(), '.cache', 'concordat')): Promise<string> {
  const folder = join(cacheDir, `kafka-${KAFKA_VERSION}`);
  if (existsSync(join(folder, '.complete'))) return folder;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const pom = fileURLToPath(new URL('kafka-pom.xml', import.meta.url));
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  const args = ['-q', '-B', '-f', pom, goal, `-DoutputDirectory=${partial}`, '-DincludeScope=runtime'];
  await fillFolder(partial, folder, () => runCommand('mvn', args));
  return folder;
}

/** Fills `partial` and moves it to `folder`, whole or not at all. */
export async function fillFolder(partial: string, folder: string, fill: () => Promise<void>): Promise<void> {
  try {
    await fill();
    writeFileSync(join(partial, '.complete'), '');
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Runs a command to its end. @throws {Error} with the end of what it printed */
export function runCommand(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-2_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${output}`)),
    );
  });
}
