/** Engines for tests: the carried packages, and definitions made on the spot. */
import { CheckContext, type Rule } from '../../src/validation/checks/report.ts';
import { defaultSettings, type CheckSettings } from '../../src/validation/checks/services.ts';
import { Engine } from '../../src/validation/engine.ts';
import type { FhirDefinition, PackageSet } from '../../src/validation/packages/definitions.ts';
import { loadPackages } from '../../src/validation/packages/load-packages.ts';
import { createTerminology } from '../../src/validation/terminology/terminology.ts';

export const testBase = 'http://test.invalid/StructureDefinition/';

export interface TestProfile {
  readonly id: string;
  readonly type: string;
  readonly elements: readonly Record<string, unknown>[];
  readonly kind?: string;
  readonly base?: string;
  readonly context?: readonly Record<string, unknown>[];
}

/** A differential over the base type; `id` of an element gives its path and slice name. */
export function profile({ id, type, elements, kind, base, context }: TestProfile): FhirDefinition {
  return {
    resourceType: 'StructureDefinition',
    id,
    url: testBase + id,
    version: '1.0.0',
    name: 'Test',
    status: 'active',
    fhirVersion: '4.0.1',
    kind: kind ?? 'resource',
    abstract: false,
    type,
    baseDefinition: base ?? 'http://hl7.org/fhir/StructureDefinition/' + type,
    derivation: 'constraint',
    ...(context !== undefined && { context }),
    differential: { element: [{ id: type, path: type }, ...elements] },
  };
}

export function element(id: string, content: Record<string, unknown> = {}): Record<string, unknown> {
  const last = id.slice(id.lastIndexOf('.') + 1);
  const slice = last.includes(':') ? { sliceName: last.slice(last.indexOf(':') + 1) } : {};
  return { id, path: id.replaceAll(/:[^.]+/g, ''), ...slice, ...content };
}

export async function carriedPackages(packages: readonly string[] = []): Promise<PackageSet> {
  return loadPackages({ packages });
}

export interface TestEngineOptions {
  readonly definitions?: readonly FhirDefinition[];
  readonly settings?: Partial<CheckSettings>;
  readonly withoutEval?: boolean;
}

export function engineOver(packages: PackageSet, options: TestEngineOptions = {}): Engine {
  const set = options.definitions === undefined ? packages : packages.with(options.definitions);
  return new Engine({
    scope: set.root,
    terminology: createTerminology(),
    settings: { ...defaultSettings, ...options.settings },
    withoutEval: options.withoutEval === true,
  });
}

/** `expression id` of each error, in order. */
export function errorsOf(engine: Engine, resource: unknown, profiles: readonly string[] = []): string[] {
  const { findings } = engine.check(
    resource,
    profiles.map((id) => (id.includes(':') ? id : testBase + id)),
  );
  return findings.filter(({ rule }) => isError(rule)).map(({ rule, expression }) => `${expression} ${rule.id}`);
}

export function isError(rule: Rule): boolean {
  return rule.severity === 'error' || rule.severity === 'fatal';
}

/** What one check says of one value, without an engine. */
export function findingsOf(run: (c: CheckContext) => void): string[] {
  const nothing = {} as ConstructorParameters<typeof CheckContext>[0];
  const c = new CheckContext(nothing, {}, { start: 'Test' });
  run(c);
  return c.findings.map(({ rule }) => rule.id);
}
