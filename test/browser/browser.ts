import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { root } from '../support/source-files.ts';

const CHROMIUM_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PAGE_MS = 120_000;

/** The first Chromium on this machine; undefined where there is none. */
export function findChromium(): string | undefined {
  return ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync('which', [name]).status === 0);
}

/** The import map that a page needs beside the modules themselves. */
export const IMPORT_MAP = '{"imports":{"@noble/hashes/":"/node_modules/@noble/hashes/"}}';

/**
 * Serves this project's modules as a browser loads them, TypeScript with its types stripped, beside the pages that a test gives; opens a path in a headless
 * Chromium and waits until the page has posted its result.
 * @param options.pages content by path; everything else is a module of `src`, `test` or of the hash package
 */
export async function resultOfPage(options: {
  readonly chromium: string;
  readonly path: string;
  readonly pages: Readonly<Record<string, string | Uint8Array>>;
}): Promise<unknown> {
  const posted = Promise.withResolvers<unknown>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '');
    if (path === '/result') {
      void bodyOf(request).then((text) => posted.resolve(JSON.parse(text)), posted.reject);
      response.end('{}');
      return;
    }
    const page = options.pages[path];
    const content = page ?? moduleAt(path);
    const type = page === undefined ? 'text/javascript' : typeOf(path);
    response.writeHead(content === undefined ? 404 : 200, { 'Content-Type': type }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const profile = mkdtempSync(join(tmpdir(), 'concordat-chromium-'));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${options.path}`;
  const browser = spawn(options.chromium, [...CHROMIUM_FLAGS, `--user-data-dir=${profile}`, url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  browser.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
  browser.on('exit', () => posted.reject(new Error(`the browser ended: ${said}`)));
  const timer = setTimeout(() => posted.reject(new Error(`the page posted nothing: ${said}`)), PAGE_MS);
  try {
    return await posted.promise;
  } finally {
    clearTimeout(timer);
    if (browser.exitCode === null && browser.kill('SIGKILL')) await once(browser, 'exit');
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

function moduleAt(path: string): string | undefined {
  const file = normalize(join(root, path));
  const isOpen = ['src', 'test', join('node_modules', '@noble', 'hashes')].some((folder) =>
    file.startsWith(join(root, folder)),
  );
  if (!isOpen || !existsSync(file) || !/\.(ts|js)$/.test(file)) return undefined;
  const source = readFileSync(file, 'utf8');
  return file.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
}

function typeOf(path: string): string {
  if (path.endsWith('.js')) return 'text/javascript';
  if (path.endsWith('.html')) return 'text/html; charset=utf-8';
  return path.endsWith('.json') ? 'application/json' : 'application/octet-stream';
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
