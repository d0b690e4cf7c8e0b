import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Writes src/fhir/elements.json from the StructureDefinitions of hl7.fhir.r4.core 4.0.1: per type (resource, data type or backbone element) its elements,
 * each as its type names joined by `|`, a `?` in front for a choice element, a `*` behind for one that repeats.
 */
interface ElementDefinition {
  readonly path: string;
  readonly max: string;
  readonly contentReference?: string;
  readonly type?: readonly { readonly code: string }[];
}
interface StructureDefinition {
  readonly kind: string;
  readonly derivation?: string;
  readonly type: string;
  readonly snapshot?: { readonly element: readonly ElementDefinition[] };
}

const folder = mkdtempSync(join(tmpdir(), 'elements-'));
const archive = join(import.meta.dirname, '..', 'profiles', 'hl7.fhir.r4.core-4.0.1.tgz');
execFileSync('tar', ['-xzf', archive, '-C', folder]);
const table: Record<string, Record<string, string>> = {};
for (const name of readdirSync(join(folder, 'package')).sort()) {
  if (!name.startsWith('StructureDefinition-')) continue;
  const definition = JSON.parse(readFileSync(join(folder, 'package', name), 'utf8')) as StructureDefinition;
  if (definition.derivation === 'constraint' || definition.kind === 'logical' || definition.kind === 'primitive-type')
    continue;
  for (const element of definition.snapshot?.element ?? []) addElement(element);
}
rmSync(folder, { recursive: true });
const lines = Object.entries(table).map(([type, elements]) => `${JSON.stringify(type)}: ${JSON.stringify(elements)}`);
writeFileSync(join(import.meta.dirname, '..', 'src', 'fhir', 'elements.json'), `{\n${lines.join(',\n')}\n}\n`);

function addElement(element: ElementDefinition): void {
  const dot = element.path.lastIndexOf('.');
  if (dot < 0) return;
  const name = element.path.slice(dot + 1);
  const codes =
    element.type?.map(({ code }) =>
      code.replace('http://hl7.org/fhirpath/System.', '').toLowerCase() === 'string'
        ? 'string'
        : code.replace(/^.*\//, ''),
    ) ?? [];
  const isBackbone = codes.length === 1 && (codes[0] === 'BackboneElement' || codes[0] === 'Element');
  const type =
    element.contentReference?.slice(1) ?? (isBackbone ? element.path : codes.length > 30 ? 'any' : codes.join('|'));
  const isChoice = name.endsWith('[x]');
  (table[element.path.slice(0, dot)] ??= {})[isChoice ? name.slice(0, -3) : name] =
    (isChoice ? '?' : '') + type + (element.max === '*' || Number(element.max) > 1 ? '*' : '');
}
