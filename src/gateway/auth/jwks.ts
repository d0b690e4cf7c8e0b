import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, errors } from 'jose';
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose';

export type JwksSource = { readonly url: string } | { readonly file: string };

/** Shortest time between two reads because of an unknown key id, so that bad tokens cannot make us read all the time. */
const COOLDOWN_MS = 10_000;
const MAXIMUM_AGE_MS = 10 * 60_000;

/**
 * The keys of one issuer, by URL or from a file. An unknown key id makes it read again (rotation), at most every 10 s; at the latest after 10 minutes.
 */
export function createKeySource(source: JwksSource, clock: () => number): JWTVerifyGetKey {
  if ('url' in source) {
    return createRemoteJWKSet(new URL(source.url), {
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: MAXIMUM_AGE_MS,
      timeoutDuration: 5_000,
    });
  }
  return createFileKeySource(source.file, clock);
}

function createFileKeySource(file: string, clock: () => number): JWTVerifyGetKey {
  let keys: ReturnType<typeof createLocalJWKSet> | undefined;
  let readAtMs = Number.NEGATIVE_INFINITY;
  const read = async (): Promise<ReturnType<typeof createLocalJWKSet>> => {
    readAtMs = clock();
    keys = createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')) as JSONWebKeySet);
    return keys;
  };
  return async (header, token) => {
    const isOld = clock() - readAtMs > MAXIMUM_AGE_MS;
    const current = keys === undefined || isOld ? await read() : keys;
    try {
      return await current(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || clock() - readAtMs < COOLDOWN_MS) throw error;
      return (await read())(header, token);
    }
  };
}
