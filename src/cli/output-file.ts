import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Why a file could not be written once the work is done, so that a mistyped folder is told before it; undefined when it can. */
export function outputFileProblem(file: string): string | undefined {
  const folder = dirname(resolve(file));
  if (!existsSync(folder)) return 'its folder is not there';
  const isThere = existsSync(file);
  if (isThere && statSync(file).isDirectory()) return 'is a folder';
  try {
    accessSync(isThere ? file : folder, constants.W_OK);
    return undefined;
  } catch {
    return 'cannot be written';
  }
}
