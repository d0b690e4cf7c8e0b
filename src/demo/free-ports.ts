import { createServer } from 'node:net';

const LAST_PORT = 65_535;

/** `count` ports that are free on loopback now, from `first` on, each the next free one. @throws {RangeError} when there are not so many */
export async function findFreePorts(first: number, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let port = first; found.length < count; port++) {
    if (port > LAST_PORT) throw new RangeError(`fewer than ${count} free ports from ${first} on`);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
