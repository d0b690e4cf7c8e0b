import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError } from './config-error.ts';
import type { ConfigProblem } from './config-error.ts';
import { parseYaml } from './parse-yaml.ts';
import { configSchema } from './schema.ts';
import { Secret } from './secret.ts';

const MAXIMUM_FILE_BYTES = 1024 * 1024;

type DeepReadonly<T> = T extends Secret ? T : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** One gateway's configuration: paths absolute, secrets read, defaults filled in, frozen. */
export type Config = DeepReadonly<z.output<ReturnType<typeof configSchema>>>;
export type UpstreamConfig = Config['upstreams'][string];
export type TopicConfig = Config['ledger']['topic'];
export type KafkaTopicConfig = Extract<TopicConfig, { kind: 'kafka' }>;
export type IssuerConfig = Extract<Config['auth'], { mode: 'jwt' }>['issuers'][number];

/**
 * Reads one gateway's configuration file, its secrets, and the environment variables that it names.
 * @param file YAML, at most 1 MiB; relative paths in it start at its own folder
 * @throws {ConfigError} unreadable | not-yaml | invalid, with every problem at once
 */
export function loadConfig(file: string): Config {
  const absolute = resolve(file);
  let text: string;
  try {
    if (statSync(absolute).size > MAXIMUM_FILE_BYTES) throw new RangeError('larger than 1 MiB');
    text = readFileSync(absolute, 'utf8');
  } catch (cause) {
    throw new ConfigError('unreadable', file, [{ path: '', line: undefined, message: 'cannot be read' }], { cause });
  }
  return parseConfig(text, { name: file, baseDir: dirname(absolute), environment: process.env });
}

/**
 * The pure part of `loadConfig`, but for the secret files and paths that the text names.
 * @param args.name how problems call the file
 * @throws {ConfigError} not-yaml | invalid, with every problem at once
 */
export function parseConfig(
  text: string,
  args: { name: string; baseDir: string; environment: Readonly<Record<string, string | undefined>> },
): Config {
  const yaml = parseYaml(text);
  if (yaml.faults.length > 0) {
    const problems = yaml.faults.map((fault) => ({ path: '', line: fault.line, message: `not YAML (${fault.code})` }));
    throw new ConfigError('not-yaml', args.name, problems);
  }
  const result = configSchema(args).safeParse(yaml.value, { reportInput: true });
  if (result.success) return freeze(result.data);
  const problems = flatten(result.error.issues, []).map(({ path, message }): ConfigProblem => {
    return { path: formatPath(path), line: yaml.lineOf(path), message };
  });
  throw new ConfigError('invalid', args.name, problems);
}

interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** zod's issues as flat findings. Messages name what is wanted, never what was found. */
function flatten(issues: readonly z.core.$ZodIssue[], prefix: readonly PropertyKey[]): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = [...prefix, ...issue.path].map((segment) => (typeof segment === 'number' ? segment : String(segment)));
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => ({ path: [...path, key], message: 'no such setting' }));
      case 'invalid_key':
        return flatten(issue.issues, path);
      case 'invalid_type':
        return [{ path, message: issue.input === undefined ? 'is missing' : `must be ${issue.expected}` }];
      default:
        return [{ path, message: issue.message }];
    }
  });
}

function formatPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, segment) => {
    if (typeof segment === 'number') return `${text}[${segment}]`;
    return text === '' ? segment : `${text}.${segment}`;
  }, '');
}

function freeze<T>(value: T): DeepReadonly<T> {
  if (value !== null && typeof value === 'object' && !(value instanceof Secret)) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value as DeepReadonly<T>;
}
