import { readFileSync, statSync } from 'node:fs';
import { CommandError } from './command-error.ts';

const MAXIMUM_BYTES = 64 * 1024 * 1024;

/** The bytes of a file that the user named. @throws {CommandError} unreadable */
export function readInput(file: string): Uint8Array {
  try {
    if (statSync(file).size > MAXIMUM_BYTES) throw new CommandError('unreadable', `${file}: larger than 64 MiB`);
    return new Uint8Array(readFileSync(file));
  } catch (cause) {
    if (cause instanceof CommandError) throw cause;
    throw new CommandError('unreadable', `${file}: cannot be read`, { cause });
  }
}

/** As `readInput`, as UTF-8 text. */
export function readInputText(file: string): string {
  return Buffer.from(readInput(file)).toString('utf8');
}
