/** HL7's FHIRPath suite: reading it and judging one test. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DOMParser } from '@xmldom/xmldom';
import type { Element } from '@xmldom/xmldom';
import { evaluateExpression } from '../src/validation/fhirpath/evaluate.ts';
import { libraryEvaluate } from '../src/validation/fhirpath/fallback.ts';
import { FhirPathError } from '../src/validation/fhirpath/fhirpath-error.ts';
import { loadPackages } from '../src/validation/packages/load-packages.ts';
import type { PackageScope } from '../src/validation/packages/definitions.ts';
import { resourceFromXml } from './conformance-xml.ts';

interface SuiteTest {
  readonly group: string;
  readonly name: string;
  readonly expression: string;
  readonly input: string | undefined;
  /** An error is wanted. */
  readonly invalid: boolean;
  readonly strict: boolean;
  /** Only whether something is there counts. */
  readonly predicate: boolean;
  readonly ordered: boolean;
  readonly outputs: readonly string[];
}

export interface SuiteRow {
  readonly group: string;
  readonly name: string;
  readonly expression: string;
  readonly engine: 'own' | 'library';
  readonly wanted: string;
  readonly got: string;
  readonly passed: boolean;
}

export async function runFhirPathSuite(directory: string): Promise<readonly SuiteRow[]> {
  const { root } = await loadPackages();
  const inputs = new Map<string, unknown>();
  const inputOf = (file: string): unknown => {
    let resource = inputs.get(file);
    if (resource === undefined) inputs.set(file, (resource = readInput(join(directory, 'input', file), root)));
    return resource;
  };
  const tests = readTests(readFileSync(join(directory, 'tests-fhir-r4.xml'), 'utf8'));
  return tests.map((test) => runTest(test, test.input === undefined ? undefined : inputOf(test.input), root));
}

function readInput(file: string, scope: PackageScope): unknown {
  const text = readFileSync(file, 'utf8');
  return file.endsWith('.xml') ? resourceFromXml(text, scope) : JSON.parse(text);
}

function readTests(text: string): SuiteTest[] {
  const document = new DOMParser().parseFromString(text, 'application/xml');
  return elements(document, 'group').flatMap((group) =>
    elements(group, 'test').map((test): SuiteTest => {
      const [expression] = elements(test, 'expression');
      return {
        group: group.getAttribute('name') ?? '',
        name: test.getAttribute('name') ?? '',
        expression: expression?.textContent ?? '',
        input: test.getAttribute('inputfile') ?? undefined,
        invalid: expression?.hasAttribute('invalid') === true || test.hasAttribute('invalid'),
        strict: test.getAttribute('mode') === 'strict' || expression?.getAttribute('mode') === 'strict',
        predicate: test.getAttribute('predicate') === 'true',
        ordered: test.getAttribute('ordered') !== 'false',
        outputs: elements(test, 'output').map((output) => output.textContent ?? ''),
      };
    }),
  );
}

function elements(parent: { getElementsByTagName(name: string): ArrayLike<Element> }, name: string): Element[] {
  return Array.from(parent.getElementsByTagName(name));
}

function runTest(test: SuiteTest, resource: unknown, scope: PackageScope): SuiteRow {
  const { engine, results, error } = evaluate(test, resource, scope);
  const got = error === undefined ? JSON.stringify(results) : `error: ${error}`;
  const wanted = test.invalid ? 'an error' : JSON.stringify(test.outputs);
  const passed = test.invalid ? error !== undefined : error === undefined && matches(test, results);
  return { group: test.group, name: test.name, expression: test.expression, engine, wanted, got, passed };
}

interface Outcome {
  readonly engine: 'own' | 'library';
  readonly results: readonly string[];
  readonly error: string | undefined;
}

function evaluate(test: SuiteTest, resource: unknown, scope: PackageScope): Outcome {
  try {
    const items = evaluateExpression(test.expression, resource, { scope, strict: test.strict });
    return { engine: 'own', results: items.map(({ value }) => textOf(value)), error: undefined };
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    if (error.code !== 'declined') return { engine: 'own', results: [], error: `${error.code}: ${error.message}` };
    return evaluateInLibrary(test, resource);
  }
}

function evaluateInLibrary(test: SuiteTest, resource: unknown): Outcome {
  try {
    const results = libraryEvaluate(test.expression, resource, { resource, rootResource: resource });
    return { engine: 'library', results: results.map(textOf), error: undefined };
  } catch (error) {
    return { engine: 'library', results: [], error: error instanceof Error ? error.message : String(error) };
  }
}

function matches(test: SuiteTest, results: readonly string[]): boolean {
  if (test.predicate)
    return (
      String(results.length > 0 && results[0] !== 'false') === (test.outputs[0] ?? 'true') || test.outputs.length === 0
    );
  if (results.length !== test.outputs.length) return false;
  const given = test.ordered ? results : [...results].sort();
  const wanted = test.outputs.map(literalText);
  if (!test.ordered) wanted.sort();
  return wanted.every((text, at) => same(text, given[at] ?? ''));
}

function same(wanted: string, given: string): boolean {
  if (wanted === given) return true;
  // `1` and `1.0` are the same number; only where digits matter does the suite ask for them as a string.
  return wanted.trim() !== '' && given.trim() !== '' && Number(wanted) === Number(given);
}

/** Outputs are written as literals for dates and times. */
function literalText(text: string): string {
  return text.replace(/^@T?/, '');
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? quantityText(value) : String(value);
}

function quantityText(value: object): string {
  const { value: number, code, unit } = value as { value?: unknown; code?: unknown; unit?: unknown };
  return number === undefined ? JSON.stringify(value) : `${String(number)} '${String(code ?? unit ?? '1')}'`;
}
