import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from './secret.ts';

/** Where a configuration file's relative paths start, and the environment that its `{env: …}` references read. */
export interface SchemaContext {
  readonly baseDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const MAXIMUM_SECRET_BYTES = 64 * 1024;

/** Names of members and writers stand in key names and notes of the ledger: lower-case, no space, no plus sign. */
export const memberName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a lower-case letter, then up to 31 lower-case letters, digits or hyphens');

/** Upstream names stand before ids on the federated address (`ehr.123`), which FHIR limits to 64 characters. */
export const upstreamName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,15}$/, 'a lower-case letter, then up to 15 lower-case letters, digits or hyphens');

/** A duration or size given as a whole number, in the unit that its key names. */
export function integer(minimum: number, maximum: number) {
  return z.int().min(minimum).max(maximum);
}

export function httpUrl() {
  return z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).refine((url) => {
    const parsed = URL.parse(url);
    return (
      parsed !== null && parsed.username === '' && parsed.password === '' && parsed.search === '' && parsed.hash === ''
    );
  }, 'no user, password, query or fragment in a URL: credentials belong under auth');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** A path, made absolute from the configuration file's folder. */
export function path(context: SchemaContext) {
  return z
    .string()
    .min(1)
    .transform((text) => resolve(context.baseDir, text));
}

/** A path of something that must be there already. */
export function existingPath(context: SchemaContext) {
  return z
    .string()
    .min(1)
    .transform((text, check) => {
      const absolute = resolve(context.baseDir, text);
      if (!existsSync(absolute)) check.addIssue({ code: 'custom', message: 'no such file or folder' });
      return absolute;
    });
}

/** `{file: path}` or `{env: NAME}`, read at once; what is read, or was put there instead, never stands in a message. */
export function secret(context: SchemaContext) {
  return z
    .union(
      [
        z.strictObject({ file: z.string().min(1).describe('file that holds the secret and nothing else') }),
        z.strictObject({
          env: z
            .string()
            .regex(/^[A-Z_][A-Z0-9_]*$/)
            .describe('environment variable that holds the secret'),
        }),
      ],
      { error: 'give {file: path} or {env: NAME}; a secret itself never stands in this file' },
    )
    .transform((reference, check) => {
      const found =
        'file' in reference
          ? readSecretFile(resolve(context.baseDir, reference.file))
          : context.environment[reference.env];
      const text = found?.trim();
      if (text !== undefined && text !== '') return new Secret(text);
      const what = 'file' in reference ? 'secret file' : 'environment variable';
      check.addIssue({ code: 'custom', message: `the ${what} is missing, unreadable, too large or empty` });
      return z.NEVER;
    });
}

function readSecretFile(file: string): string | undefined {
  try {
    const bytes = readFileSync(file);
    return bytes.length > MAXIMUM_SECRET_BYTES ? undefined : bytes.toString('utf8');
  } catch {
    return undefined;
  }
}
