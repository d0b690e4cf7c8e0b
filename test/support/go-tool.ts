import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BUILD_MS = 300_000;

/** Path of a program, or why it cannot be had here. */
export type GoTool = { readonly path: string } | { readonly missing: string };

/**
 * A program by others, installed once into a cache of this machine.
 * @param options.module path and version, such as `example.org/cmd/tool@v1.2.3`
 */
export function installedTool(options: { readonly module: string }): Promise<GoTool> {
  const name = options.module.replace(/@.*$/, '').split('/').at(-1) ?? '';
  const env = { ...process.env, GOFLAGS: '-mod=mod' };
  return cached(options.module, name, (folder) =>
    run('go', ['install', options.module], { env: { ...env, GOBIN: folder }, timeout: BUILD_MS }),
  );
}

/** A program of this project's own, whose modules are pinned by its `go.sum`; a failure to compile it is an error. */
export async function builtTool(source: string): Promise<GoTool> {
  const content = createHash('sha256');
  for (const file of readdirSync(source).sort()) content.update(file).update(readFileSync(join(source, file)));
  const built = await cached(`${source} ${content.digest('hex')}`, 'tool', (folder) =>
    run('go', ['build', '-o', join(folder, 'tool'), '.'], { cwd: source, timeout: BUILD_MS }),
  );
  if (
    'path' in built ||
    /no Go|dial tcp|lookup|connection refused|i\/o timeout|proxyconnect|Forbidden|404 Not Found/.test(built.missing)
  )
    return built;
  throw new Error(built.missing);
}

/**
 * Builds into a folder of its own and moves it into place when it is whole: a build that was broken off leaves nothing that looks like one, and of two at once
 * either is as good.
 */
async function cached(id: string, name: string, build: (folder: string) => Promise<unknown>): Promise<GoTool> {
  const cache = join(tmpdir(), 'concordat-go');
  const folder = join(cache, createHash('sha256').update(id).digest('hex').slice(0, 16));
  if (existsSync(join(folder, name))) return { path: join(folder, name) };
  if (spawnSync('go', ['version']).status !== 0) return { missing: 'no Go on this machine' };
  mkdirSync(cache, { recursive: true });
  const building = mkdtempSync(join(cache, 'building-'));
  try {
    await build(building);
    renameSync(building, folder);
  } catch (error) {
    if (!existsSync(join(folder, name))) return { missing: reasonOf(error) };
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return { path: join(folder, name) };
}

function reasonOf(error: unknown): string {
  const { stderr } = error as { stderr?: string };
  return (stderr ?? String(error)).trim().split('\n').at(-1) ?? 'the build failed';
}
