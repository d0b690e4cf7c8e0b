import { sourceFiles } from './source-files.ts';

/** Every error class of `src` with its codes, read from the source: `class X extends AppError<…>` over a literal union or an alias in the same file. */
export function errorCodes(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const file of sourceFiles('src')) {
    for (const [, name = '', union = ''] of file.text.matchAll(/class (\w+) extends AppError<([^>]+)>/g)) {
      found.set(name, codesOf(union, file.text));
    }
  }
  return found;
}

function codesOf(union: string, text: string): string[] {
  const alias = /^\w+$/.test(union.trim()) ? new RegExp(`type ${union.trim()} =([^;]+);`).exec(text)?.[1] : union;
  if (alias === undefined) throw new Error(`the union ${union} is not in its file`);
  return [...alias.replace(/\/\/.*$/gm, '').matchAll(/'([^']+)'/g)].map((match) => match[1] ?? '');
}
