import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = resolve(import.meta.dirname, '..');
const ENTRY = join(ROOT, 'src', 'ledger', 'verifier.ts');
const PACKAGES = join(ROOT, 'node_modules');
const SPECIFIER = /(?<=\b(?:from|import)\s*)(['"])([^'"\n]+)\1/g;

/**
 * Writes the receipt check as plain JavaScript modules that a browser loads from any static server: `ledger/verifier.js` and what it imports, types stripped,
 * nothing bundled or renamed, so that it can be compared with the source line by line.
 * @param folder made if it is not there
 * @returns the files, relative to `folder`
 */
export function writeBrowserVerifier(folder: string): readonly string[] {
  const written = new Set<string>();
  const waiting = [ENTRY];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const target = targetOf(file);
    if (written.has(target)) continue;
    written.add(target);
    const source = readFileSync(file, 'utf8');
    const from = file;
    const code = (file.endsWith('.ts') ? stripTypeScriptTypes(source) : withoutComments(source)).replace(
      SPECIFIER,
      (_whole, quote: string, name: string) => {
        const imported = name.startsWith('.') ? resolve(dirname(from), name) : join(PACKAGES, name);
        waiting.push(imported);
        const path = relative(dirname(target), targetOf(imported));
        return `${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
      },
    );
    mkdirSync(dirname(join(folder, target)), { recursive: true });
    writeFileSync(join(folder, target), code);
  }
  return [...written].sort();
}

function targetOf(file: string): string {
  const isOwn = file.startsWith(join(ROOT, 'src'));
  return relative(isOwn ? join(ROOT, 'src') : PACKAGES, file).replace(/\.ts$/, '.js');
}

/** The package's comments hold examples with imports of their own; its licence stands in its first line, and stays. */
function withoutComments(source: string): string {
  return source.replace(/\/\*\*[\s\S]*?\*\//g, '');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder, ...more] = process.argv.slice(2);
  const isUsable = folder !== undefined && !folder.startsWith('-') && more.length === 0;
  if (isUsable) for (const file of writeBrowserVerifier(folder)) console.log(join(folder, file));
  else {
    console.error('usage: npm run browser-verifier -- FOLDER');
    process.exitCode = 2;
  }
}
