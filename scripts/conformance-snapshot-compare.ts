/** Two snapshots of one definition, element by element and member by member. */
import type { ElementDefinition } from '../src/validation/packages/definitions.ts';

export interface SnapshotDifference {
  readonly element: string;
  /** Member of ElementDefinition, or `missing`, `extra`, `order`. */
  readonly field: string;
  readonly published: string;
  readonly generated: string;
  /** Whether it can change a verdict: texts, mappings and the like cannot. */
  readonly isDecisive: boolean;
}

const texts = new Set([
  'id',
  'short',
  'definition',
  'comment',
  'requirements',
  'alias',
  'mapping',
  'example',
  'extension',
  'label',
  'code',
  'condition',
  'base',
  'meaningWhenMissing',
  'orderMeaning',
  'isModifierReason',
  'isSummary',
  'mustSupport',
  'representation',
]);

export function compareSnapshots(
  published: readonly ElementDefinition[],
  generated: readonly ElementDefinition[],
): SnapshotDifference[] {
  const differences: SnapshotDifference[] = [];
  const left = keyed(published);
  const right = keyed(generated);
  for (const key of left.keys()) if (!right.has(key)) differences.push(whole(key, 'missing'));
  for (const key of right.keys()) if (!left.has(key)) differences.push(whole(key, 'extra'));
  const common = [...left.keys()].filter((key) => right.has(key));
  const order = [...right.keys()].filter((key) => left.has(key));
  const moved = common.findIndex((key, index) => key !== order[index]);
  if (moved >= 0) differences.push(whole(common[moved] ?? '', 'order'));
  for (const key of common) {
    const [before, after] = [left.get(key), right.get(key)];
    if (before !== undefined && after !== undefined) differences.push(...compareElements(key, before, after));
  }
  return differences;
}

function whole(element: string, field: string): SnapshotDifference {
  return { element, field, published: '', generated: '', isDecisive: true };
}

function keyed(elements: readonly ElementDefinition[]): Map<string, ElementDefinition> {
  return new Map(elements.map((element) => [element.id ?? element.path, element]));
}

function compareElements(key: string, before: ElementDefinition, after: ElementDefinition): SnapshotDifference[] {
  const left = before as unknown as Readonly<Record<string, unknown>>;
  const right = after as unknown as Readonly<Record<string, unknown>>;
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((field) => {
    const published = canonical(field, left[field]);
    const generated = canonical(field, right[field]);
    return published === generated
      ? []
      : [{ element: key, field, published, generated, isDecisive: !texts.has(field) }];
  });
}

/** Order of keys and of sets does not matter; absent and false are the same for flags. */
function canonical(field: string, value: unknown): string {
  if (field === 'constraint') return constraints(value);
  if (field === 'isModifier' || field === 'isSummary' || field === 'mustSupport') return String(value === true);
  if (field === 'type') return JSON.stringify(sorted(stripped(value)));
  if (field === 'slicing' || field === 'binding') return JSON.stringify(sorted(stripped(value)));
  // Later publishers name the structure before the `#`.
  if (field === 'contentReference' && typeof value === 'string') return value.slice(value.indexOf('#'));
  return JSON.stringify(sorted(value)) ?? '';
}

function constraints(value: unknown): string {
  const list = Array.isArray(value) ? (value as Record<string, unknown>[]) : [];
  return JSON.stringify(list.map(({ key, severity, expression }) => [key, severity, expression].map(String)).sort());
}

/** Descriptions, extensions and comments inside a member say nothing that is checked. */
function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([name, member]) =>
          name !== 'description' && name !== 'extension' && name !== 'id' && !(name === 'ordered' && member === false),
      )
      .map(([name, member]) => [name, stripped(member)]),
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
