import { choiceMember, elementOf } from './elements.ts';
import type { ElementInfo } from './elements.ts';
import { copyExact, exactMember, isExactObject, isRawNumber, setExactMember } from './exact-json.ts';
import type { ExactValue } from './exact-json.ts';
import { PatchError } from './patch-error.ts';
import { findPlaces } from './patch-path.ts';
import type { PatchPlace } from './patch-path.ts';

/**
 * FHIRPath Patch (http://hl7.org/fhir/R4/fhirpatch.html): a Parameters resource whose `operation` parameters add, insert, delete, replace or move.
 * Paths are those of `patch-path.ts`; any other is `malformed`.
 */
export function applyFhirPathPatch(resource: ExactValue, patch: ExactValue): ExactValue {
  const parameters = exactMember(patch, 'parameter');
  if (exactMember(patch, 'resourceType') !== 'Parameters' || !Array.isArray(parameters)) {
    throw new PatchError('malformed', 0, 'a FHIRPath Patch is a Parameters resource with operation parameters');
  }
  const document = copyExact(resource);
  parameters.forEach((parameter, index) => {
    if (exactMember(parameter, 'name') !== 'operation')
      throw new PatchError('malformed', index, 'a parameter is no operation');
    applyOperation(document, partsOf(parameter, index), index);
  });
  return document;
}

interface Operation {
  readonly type: string;
  readonly path: string;
  readonly name: string | undefined;
  /** The `value` part as it stands: `value[x]`, or parts of an anonymous type. */
  readonly value: ExactValue | undefined;
  readonly index: number | undefined;
  readonly source: number | undefined;
  readonly destination: number | undefined;
}

function partsOf(parameter: ExactValue, index: number): Operation {
  const parts = exactMember(parameter, 'part');
  const byName = new Map<string, ExactValue>();
  for (const part of Array.isArray(parts) ? parts : []) {
    const name = exactMember(part, 'name');
    if (typeof name === 'string') byName.set(name, part);
  }
  const text = (name: string): string | undefined => {
    const value = valueMember(byName.get(name))?.value;
    return typeof value === 'string' ? value : undefined;
  };
  const integer = (name: string): number | undefined => {
    const value = valueMember(byName.get(name))?.value;
    if (!isRawNumber(value)) return undefined;
    if (!/^\d{1,6}$/.test(value.rawJSON)) throw new PatchError('malformed', index, 'an index is no position');
    return Number(value.rawJSON);
  };
  const path = text('path');
  const type = text('type');
  if (path === undefined || type === undefined)
    throw new PatchError('malformed', index, 'an operation needs a type and a path');
  return {
    type,
    path,
    name: text('name'),
    value: byName.get('value'),
    index: integer('index'),
    source: integer('source'),
    destination: integer('destination'),
  };
}

/** The `value[x]` of a parameter, with its type's name as the member spells it (`Quantity`, `String`). */
function valueMember(
  part: ExactValue | undefined,
): { readonly suffix: string; readonly value: ExactValue } | undefined {
  if (!isExactObject(part)) return undefined;
  const member = Object.keys(part).find((key) => /^value[A-Z]/.test(key));
  return member === undefined ? undefined : { suffix: member.slice('value'.length), value: part[member] as ExactValue };
}

function applyOperation(document: ExactValue, operation: Operation, index: number): void {
  const fail = (code: PatchError['code'], message: string): PatchError => new PatchError(code, index, message);
  const places = findPlaces(document, operation.path);
  if (places === undefined) throw fail('malformed', 'a path is outside the FHIRPath subset of patches');
  switch (operation.type) {
    case 'add':
      return add(only(places, fail), operation, fail);
    case 'insert':
      return insert(document, operation, fail);
    case 'delete':
      if (places.length === 0) return;
      return deletePlace(only(places, fail), fail);
    case 'replace':
      return replace(only(places, fail), operation, fail);
    case 'move':
      return move(document, operation, fail);
    default:
      throw fail('malformed', 'an operation is add, insert, delete, replace or move');
  }
}

type Fail = (code: PatchError['code'], message: string) => PatchError;

function only(places: readonly PatchPlace[], fail: Fail): PatchPlace {
  const [place] = places;
  if (place === undefined || places.length > 1) throw fail('not-applicable', 'a path must name exactly one place');
  return place;
}

function add(place: PatchPlace, operation: Operation, fail: Fail): void {
  const { value: target } = place;
  const name = operation.name;
  if (name === undefined || !isExactObject(target))
    throw fail('malformed', 'add needs a name, and a path to what has elements');
  const info = elementOf(typeOf(place), name);
  if (info === undefined) throw fail('not-applicable', 'the type at the path has no element of this name');
  const { member, value } = makeValue(operation.value, name, info, typeOf(place), fail);
  const present = Object.hasOwn(target, member) ? target[member] : undefined;
  if (!info.repeats) {
    if (present !== undefined) throw fail('not-applicable', 'the element is there already and does not repeat');
    setExactMember(target, member, value);
  } else if (Array.isArray(present)) present.push(value);
  else setExactMember(target, member, [value]);
}

function typeOf(place: PatchPlace): string {
  const own = exactMember(place.value, 'resourceType');
  return typeof own === 'string' ? own : place.type;
}

/** The value part as JSON of the element's type. Parts of an anonymous type become members, repeating ones arrays. */
function makeValue(
  part: ExactValue | undefined,
  name: string,
  info: ElementInfo,
  holderType: string,
  fail: Fail,
): { readonly member: string; readonly value: ExactValue } {
  const given = valueMember(part);
  if (given !== undefined) {
    const member = info.isChoice ? choiceMember(name, given.suffix) : name;
    return { member, value: copyExact(given.value) };
  }
  const parts = exactMember(part, 'part');
  const type = info.types[0];
  if (!Array.isArray(parts) || info.isChoice || type === undefined)
    throw fail('malformed', 'the operation needs a value');
  const object: { [key: string]: ExactValue } = {};
  for (const inner of parts) {
    const innerName = exactMember(inner, 'name');
    const innerInfo = typeof innerName === 'string' ? elementOf(type, innerName) : undefined;
    if (typeof innerName !== 'string' || innerInfo === undefined) {
      throw fail('not-applicable', `an element of ${holderType} has no part of this name`);
    }
    const made = makeValue(inner, innerName, innerInfo, type, fail);
    const present = object[made.member];
    if (!innerInfo.repeats) object[made.member] = made.value;
    else if (Array.isArray(present)) present.push(made.value);
    else object[made.member] = [made.value];
  }
  return { member: name, value: object };
}

/** The array that a path names as a whole, with what holds it. */
function listAt(
  document: ExactValue,
  path: string,
  fail: Fail,
): { readonly list: ExactValue[]; readonly parent: PatchPlace; readonly name: string } {
  const dot = path.lastIndexOf('.');
  const name = path.slice(dot + 1);
  const parents = dot < 0 ? undefined : findPlaces(document, path.slice(0, dot));
  if (parents === undefined || !/^[A-Za-z_]\w*$/.test(name))
    throw fail('malformed', 'insert and move need the path of a list');
  const parent = only(parents, fail);
  const list = exactMember(parent.value, name);
  if (list !== undefined && !Array.isArray(list))
    throw fail('not-applicable', 'the element at the path does not repeat');
  return { list: list ?? [], parent, name };
}

function insert(document: ExactValue, operation: Operation, fail: Fail): void {
  const { list, parent, name } = listAt(document, operation.path, fail);
  const info = elementOf(typeOf(parent), name);
  if (info === undefined || !info.repeats) throw fail('not-applicable', 'the element at the path does not repeat');
  const { index } = operation;
  if (index === undefined || index > list.length) throw fail('not-applicable', 'an index is outside its list');
  list.splice(index, 0, makeValue(operation.value, name, info, typeOf(parent), fail).value);
  if (list.length === 1 && isExactObject(parent.value)) setExactMember(parent.value, name, list);
}

function move(document: ExactValue, operation: Operation, fail: Fail): void {
  const { list } = listAt(document, operation.path, fail);
  const { source, destination } = operation;
  if (source === undefined || destination === undefined || source >= list.length || destination >= list.length) {
    throw fail('not-applicable', 'a position is outside its list');
  }
  const [moved] = list.splice(source, 1);
  if (moved !== undefined) list.splice(destination, 0, moved);
}

function deletePlace({ holder, key }: PatchPlace, fail: Fail): void {
  if (holder === undefined) throw fail('not-applicable', 'the whole resource cannot be deleted by a patch');
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}

function replace(place: PatchPlace, operation: Operation, fail: Fail): void {
  const { holder, key, element } = place;
  if (holder === undefined) throw fail('not-applicable', 'the whole resource cannot be replaced by a patch');
  if (Array.isArray(holder)) {
    const given = valueMember(operation.value);
    const parts = given?.value ?? makeAnonymous(place, operation, fail);
    holder[Number(key)] = copyExact(parts);
    return;
  }
  const given = valueMember(operation.value);
  if (given === undefined) {
    holder[key] = makeAnonymous(place, operation, fail);
    return;
  }
  // Another type of a choice element is another member.
  const isChoice = String(key) !== element;
  const member = isChoice ? choiceMember(element, given.suffix) : String(key);
  if (member !== key) delete holder[key];
  setExactMember(holder, member, copyExact(given.value));
}

function makeAnonymous(place: PatchPlace, operation: Operation, fail: Fail): ExactValue {
  const info: ElementInfo = { types: [place.type], repeats: false, isChoice: false };
  return makeValue(operation.value, place.element, info, place.type, fail).value;
}
