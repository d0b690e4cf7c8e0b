import { createRequire } from 'node:module';
import type { FhirPathEnvironment, Invariant } from './environment.ts';
import type { TypeModel } from './type-model.ts';

interface LibraryNode {
  readonly data?: unknown;
}
type LibraryFunction = {
  fn: (items: LibraryNode[], ...parameters: unknown[]) => unknown;
  arity: Record<number, string[]>;
};
interface Library {
  compile(
    path: string | { base: string; expression: string },
    model: unknown,
    options: {
      userInvocationTable: Record<string, LibraryFunction>;
      resolveInternalTypes: boolean;
      traceFn: () => void;
    },
  ): (focus: unknown, variables: Record<string, unknown>) => unknown[];
}

const load = createRequire(import.meta.url);

/**
 * An invariant run by the `fhirpath` library: for what the compiler declines. The library takes a tenth of a second and 60 MB to
 * load, so it is loaded only here.
 * @returns undefined when the library cannot parse the expression either
 */
export function libraryInvariant(expression: string, typeName: string, model: TypeModel): Invariant | undefined {
  const library = load('fhirpath') as Library;
  const current: { environment: FhirPathEnvironment | undefined } = { environment: undefined };
  const options = { userInvocationTable: hooks(current), resolveInternalTypes: true, traceFn: () => undefined };
  let evaluate: ReturnType<Library['compile']>;
  try {
    evaluate = library.compile({ base: typeName, expression }, load('fhirpath/fhir-context/r4'), options);
  } catch {
    return undefined;
  }
  void model;
  return (focus, environment, sibling) => {
    current.environment = environment;
    try {
      // The library may write type information into what it is given.
      const start = sibling === undefined ? focus : (focus ?? {});
      const variables = { resource: environment.resource, rootResource: environment.rootResource };
      return holds(evaluate(structuredClone(start), structuredClone(variables)));
    } catch {
      return false;
    } finally {
      current.environment = undefined;
    }
  };
}

/**
 * Evaluates an expression in the library, as plain JavaScript values.
 * @throws {Error} of the library's own
 */
export function libraryEvaluate(
  expression: string,
  resource: unknown,
  variables: Readonly<Record<string, unknown>>,
): readonly unknown[] {
  const library = load('fhirpath') as Library;
  const options = { userInvocationTable: {}, resolveInternalTypes: true, traceFn: () => undefined };
  return library.compile(
    expression,
    load('fhirpath/fhir-context/r4'),
    options,
  )(structuredClone(resource ?? {}), { ...variables });
}

function holds(result: readonly unknown[]): boolean {
  if (result.length !== 1) return result.length > 1;
  return result[0] !== false;
}

function hooks(current: { environment: FhirPathEnvironment | undefined }): Record<string, LibraryFunction> {
  const data = (node: unknown): unknown => (node as LibraryNode | undefined)?.data ?? node;
  return {
    resolve: {
      fn: (items) =>
        items.flatMap((item) => {
          const value = data(item);
          const reference =
            typeof value === 'string' ? value : (value as { reference?: unknown } | undefined)?.reference;
          const found = typeof reference === 'string' ? current.environment?.resolve?.(reference) : undefined;
          return found === undefined ? [] : [structuredClone(found)];
        }),
      arity: { 0: [] },
    },
    memberOf: {
      fn: (items, valueSet) =>
        items.map((item) => {
          const value = data(item) as string | { system?: string; code?: string };
          const code = typeof value === 'string' ? value : value.code;
          const system = typeof value === 'string' ? undefined : value.system;
          return typeof code === 'string' && current.environment?.memberOf?.(String(valueSet), system, code) !== 'no';
        }),
      arity: { 1: ['String'] },
    },
  };
}
