import { randomBytes } from 'node:crypto';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeKey, writeKeyFile } from '../../src/cli/key-files.ts';
import { concordat } from './run-cli.ts';

/** Members of one log make what they need for the next: their keys with an origin key of its own, in `toDir/<member>`, and a member file each. @returns the files */
export async function acceptNextLog(args: {
  readonly members: readonly string[];
  readonly origin: string;
  /** Folder with each member's keys of the log that ends. */
  readonly fromDir: string;
  readonly toDir: string;
}): Promise<readonly string[]> {
  const { origin, fromDir, toDir } = args;
  const files: string[] = [];
  for (const member of args.members) {
    const keys = join(toDir, member);
    cpSync(join(fromDir, member), keys, { recursive: true });
    rmSync(join(keys, 'origin.key'));
    const key = makeKey({ kind: 'origin', member, origin, random: (length) => new Uint8Array(randomBytes(length)) });
    writeKeyFile(join(keys, 'origin.key'), key.secret);
    const file = join(toDir, `${member}.json`);
    await concordat('governance', 'accept', '--origin', origin, '--member', member, '--keys', keys, '--out', file);
    files.push(file);
  }
  return files;
}
