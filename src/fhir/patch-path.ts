import { choiceType, elementOf } from './elements.ts';
import { exactMember, isExactObject } from './exact-json.ts';
import type { ExactValue } from './exact-json.ts';

/**
 * The FHIRPath subset that FHIRPath Patch needs to point at a place (http://hl7.org/fhir/R4/fhirpatch.html): elements, `[n]`, `first()`, `last()`,
 * `single()`, `where(path = 'literal' and …)`, `extension('url')`, `ofType(T)`. It yields places, not values, because a patch changes what is there.
 */
export interface PatchPlace {
  readonly value: ExactValue;
  /** Type of the value: `HumanName`, `Patient.contact`, `string`. */
  readonly type: string;
  /** What holds it: an array and index, or an object and member; undefined for the resource itself. */
  readonly holder: ExactValue[] | { [key: string]: ExactValue } | undefined;
  readonly key: string | number;
  /** FHIRPath name of the element. */
  readonly element: string;
}

/** Undefined for a path outside the subset. */
export function findPlaces(resource: ExactValue, path: string): readonly PatchPlace[] | undefined {
  const steps = parsePath(path);
  const type = exactMember(resource, 'resourceType');
  if (steps === undefined || typeof type !== 'string') return undefined;
  let places: readonly PatchPlace[] = [{ value: resource, type, holder: undefined, key: '', element: '' }];
  const [head, ...rest] = steps;
  const isRooted =
    head?.kind === 'element' && (head.name === type || head.name === 'Resource' || head.name === 'DomainResource');
  for (const step of isRooted ? rest : steps) places = applyStep(places, step);
  return places;
}

interface Criterion {
  readonly path: readonly string[];
  readonly literal: string;
}

type Step =
  | { readonly kind: 'element'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'last' }
  | { readonly kind: 'where'; readonly criteria: readonly Criterion[] }
  | { readonly kind: 'type'; readonly type: string };

const STEP =
  /^(?:\.?(?:(first|last|single)\(\)|(?:ofType|as)\(\s*(?:FHIR\.)?([A-Za-z]+)\s*\)|extension\(\s*('(?:[^'\\]|\\.)*')\s*\)|where\(\s*((?:[^()']|'(?:[^'\\]|\\.)*')*?)\s*\)|`?([A-Za-z_][A-Za-z0-9_]*)`?(?!\())|\[\s*(\d{1,6})\s*\])/;
const CRITERION = /^\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*('(?:[^'\\]|\\.)*'|true|false|-?\d+(?:\.\d+)?)\s*$/;
const LONGEST_PATH = 4_000;

function parsePath(path: string): readonly Step[] | undefined {
  if (path.length > LONGEST_PATH) return undefined;
  const steps: Step[] = [];
  let rest = path.trim();
  while (rest !== '') {
    const match = STEP.exec(rest);
    if (match === null || (steps.length > 0 && !/^[.[]/.test(rest))) return undefined;
    const step = toStep(match);
    if (step === undefined) return undefined;
    steps.push(...step);
    rest = rest.slice(match[0].length);
  }
  return steps.length === 0 ? undefined : steps;
}

function toStep(match: RegExpExecArray): readonly Step[] | undefined {
  const [, position, type, url, condition, name, index] = match;
  if (position !== undefined) return [position === 'last' ? { kind: 'last' } : { kind: 'index', index: 0 }];
  if (type !== undefined) return [{ kind: 'type', type }];
  if (url !== undefined) {
    return [
      { kind: 'element', name: 'extension' },
      { kind: 'where', criteria: [{ path: ['url'], literal: unquoted(url) }] },
    ];
  }
  if (condition !== undefined) {
    const criteria = parseCriteria(condition);
    return criteria && [{ kind: 'where', criteria }];
  }
  if (name !== undefined) return [{ kind: 'element', name }];
  return index === undefined ? undefined : [{ kind: 'index', index: Number(index) }];
}

function parseCriteria(text: string): readonly Criterion[] | undefined {
  const criteria: Criterion[] = [];
  for (const part of text.split(/\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)/)) {
    const match = CRITERION.exec(part);
    if (match === null) return undefined;
    const literal = match[2] ?? '';
    criteria.push({
      path: (match[1] ?? '').split('.'),
      literal: literal.startsWith("'") ? unquoted(literal) : literal,
    });
  }
  return criteria;
}

function unquoted(literal: string): string {
  return literal.slice(1, -1).replace(/\\(.)/g, '$1');
}

function applyStep(places: readonly PatchPlace[], step: Step): readonly PatchPlace[] {
  switch (step.kind) {
    case 'element':
      return places.flatMap((place) => children(place, step.name));
    case 'index':
      return places.slice(step.index, step.index + 1);
    case 'last':
      return places.slice(-1);
    case 'type':
      return places.filter((place) => place.type === step.type);
    case 'where':
      return places.filter((place) =>
        step.criteria.every(({ path, literal }) => {
          let found: readonly PatchPlace[] = [place];
          for (const name of path) found = found.flatMap((one) => children(one, name));
          return found.some(({ value }) => literalOf(value) === literal);
        }),
      );
  }
}

function literalOf(value: ExactValue): string | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  return value !== null && !Array.isArray(value) && !isExactObject(value) ? value.rawJSON : undefined;
}

/** The places of an element below another, with its choice types looked through. */
export function children(place: PatchPlace, name: string): readonly PatchPlace[] {
  const { value } = place;
  if (!isExactObject(value)) return [];
  const ownType = exactMember(value, 'resourceType');
  const type = typeof ownType === 'string' ? ownType : place.type;
  const info = elementOf(type, name);
  const found: PatchPlace[] = [];
  for (const member of Object.keys(value)) {
    const isChoice = info?.isChoice === true;
    const memberType = isChoice
      ? choiceType(name, info, member)
      : member === name
        ? (info?.types[0] ?? 'unknown')
        : undefined;
    if (memberType === undefined) continue;
    const child = value[member] as ExactValue;
    if (Array.isArray(child)) {
      child.forEach((item, key) => found.push({ value: item, type: memberType, holder: child, key, element: name }));
    } else found.push({ value: child, type: memberType, holder: value, key: member, element: name });
  }
  return found;
}
