import { copyExact, equalsExact, exactMember, isExactObject, setExactMember } from './exact-json.ts';
import type { ExactValue } from './exact-json.ts';
import { PatchError } from './patch-error.ts';
import type { PatchCode } from './patch-error.ts';

/** JSON Patch (RFC 6902) on values that keep their number lexemes. */
const MOST_OPERATIONS = 10_000;

/**
 * Applies a patch to a copy of a resource; nothing is changed when an operation fails.
 * @param patch the parsed patch document
 * @throws {PatchError} malformed | not-applicable | test-failed, with the operation's index
 */
export function applyJsonPatch(resource: ExactValue, patch: ExactValue): ExactValue {
  if (!Array.isArray(patch)) throw new PatchError('malformed', 0, 'a JSON Patch is an array of operations');
  if (patch.length > MOST_OPERATIONS) throw new PatchError('malformed', MOST_OPERATIONS, 'too many operations');
  let document = copyExact(resource);
  patch.forEach((operation, index) => {
    document = applyOperation(document, operation, (code, message) => new PatchError(code, index, message));
  });
  return document;
}

type Fail = (code: PatchCode, message: string) => PatchError;

function applyOperation(document: ExactValue, operation: ExactValue, fail: Fail): ExactValue {
  const name = exactMember(operation, 'op');
  const path = pointer(exactMember(operation, 'path'), fail);
  switch (name) {
    case 'add':
      return put(document, path, copyExact(valueOf(operation, fail)), 'add', fail);
    case 'replace':
      find(document, path, fail);
      return put(document, path, copyExact(valueOf(operation, fail)), 'replace', fail);
    case 'remove':
      return remove(document, path, fail);
    case 'test':
      if (!equalsExact(find(document, path, fail), valueOf(operation, fail)))
        throw fail('test-failed', 'a test failed');
      return document;
    case 'copy': {
      const from = pointer(exactMember(operation, 'from'), fail);
      return put(document, path, copyExact(find(document, from, fail)), 'add', fail);
    }
    case 'move': {
      const from = pointer(exactMember(operation, 'from'), fail);
      const isInside = path.length > from.length && from.every((step, i) => step === path[i]);
      if (isInside) throw fail('not-applicable', 'a value cannot move into itself');
      const value = find(document, from, fail);
      return put(remove(document, from, fail), path, value, 'add', fail);
    }
    default:
      throw fail('malformed', 'an operation is add, remove, replace, move, copy or test');
  }
}

function valueOf(operation: ExactValue, fail: Fail): ExactValue {
  const value = exactMember(operation, 'value');
  if (value === undefined) throw fail('malformed', 'the operation needs a value');
  return value;
}

/** The steps of a JSON Pointer (RFC 6901). */
function pointer(text: ExactValue | undefined, fail: Fail): readonly string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')))
    throw fail('malformed', 'a path is a JSON Pointer');
  if (/~(?![01])/.test(text)) throw fail('malformed', 'a path has a bad escape');
  if (text === '') return [];
  return text
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function find(document: ExactValue, path: readonly string[], fail: Fail): ExactValue {
  let value: ExactValue | undefined = document;
  for (const step of path) {
    value = Array.isArray(value) ? value[arrayIndex(step, value.length - 1, fail)] : exactMember(value, step);
    if (value === undefined) throw fail('not-applicable', 'there is nothing at a path');
  }
  return value;
}

function put(
  document: ExactValue,
  path: readonly string[],
  value: ExactValue,
  how: 'add' | 'replace',
  fail: Fail,
): ExactValue {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = find(document, path.slice(0, -1), fail);
  if (Array.isArray(parent)) {
    const index = last === '-' && how === 'add' ? parent.length : arrayIndex(last, parent.length, fail);
    parent.splice(index, how === 'add' ? 0 : 1, value);
  } else if (isExactObject(parent)) setExactMember(parent, last, value);
  else throw fail('not-applicable', 'a path leads into a value that has no members');
  return document;
}

function remove(document: ExactValue, path: readonly string[], fail: Fail): ExactValue {
  const last = path.at(-1);
  if (last === undefined) throw fail('not-applicable', 'the whole resource cannot be removed');
  const parent = find(document, path.slice(0, -1), fail);
  if (Array.isArray(parent)) parent.splice(arrayIndex(last, parent.length - 1, fail), 1);
  else if (isExactObject(parent) && Object.hasOwn(parent, last)) delete parent[last];
  else throw fail('not-applicable', 'there is nothing at a path');
  return document;
}

function arrayIndex(step: string, largest: number, fail: Fail): number {
  if (!/^(?:0|[1-9]\d{0,8})$/.test(step)) throw fail('malformed', 'an array is addressed by an index');
  const index = Number(step);
  if (index > largest) throw fail('not-applicable', 'an index is outside its array');
  return index;
}
