import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Path from the project's root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  /** Import specifiers, static and dynamic; relative ones resolved to a path from the root. */
  readonly imports: readonly string[];
}

const SPECIFIER =
  /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]|\bcreateRequire\([^)]*\)\(\s*['"]([^'"]+)['"]/g;

export function sourceFiles(folder: string, extension = /\.ts$/): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => readSource(join(entry.parentPath, entry.name)))
    .sort((left, right) => (left.path < right.path ? -1 : 1));
}

function readSource(file: string): SourceFile {
  const text = readFileSync(file, 'utf8');
  const imports = [...text.matchAll(SPECIFIER)].map((match) => match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
  return {
    path: relative(root, file).replaceAll('\\', '/'),
    text,
    lines: text.split('\n').length - 1,
    imports: imports.map((name) =>
      name.startsWith('.') ? relative(root, resolve(dirname(file), name)).replaceAll('\\', '/') : name,
    ),
  };
}
