/** What a case needs beside the instance: packages, profiles and supporting resources, and what of it could not be had. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FhirDefinition, PackageScope, PackageSet } from '../src/validation/packages/definitions.ts';
import { loadPackages } from '../src/validation/packages/load-packages.ts';
import type { PackageCache } from '../src/validation/packages/package-cache.ts';
import { PackageError } from '../src/validation/packages/package-error.ts';
import { stringList } from './conformance-suite.ts';
import type { SuiteCase } from './conformance-suite.ts';
import { resourceFromXml } from './conformance-xml.ts';

export interface CaseSupport {
  readonly packages: PackageSet;
  /** Canonicals of the profiles that the instance must meet. */
  readonly profiles: readonly string[];
  readonly missing: readonly string[];
}

export class SupportLoader {
  private readonly casesDirectory: string;
  private readonly packagesDirectory: string | undefined;
  private readonly cache: PackageCache;
  private readonly sets = new Map<string, PackageSet>();

  constructor(casesDirectory: string, packagesDirectory: string | undefined, cache: PackageCache) {
    this.casesDirectory = casesDirectory;
    this.packagesDirectory = packagesDirectory;
    this.cache = cache;
  }

  async load(one: SuiteCase, mode: 'base' | 'profile'): Promise<CaseSupport> {
    const own = one.settings;
    const profile = isObject(own.profile) ? own.profile : {};
    const missing: string[] = [];
    const both = (key: string): string[] => [
      ...stringList(own[key]),
      ...(mode === 'profile' ? stringList(profile[key]) : []),
    ];
    const base = await this.packageSet(both('packages'), packageMap(own['package-map'], this.casesDirectory), missing);
    const files = [
      ...stringList(own.profiles),
      ...stringList(profile.profiles),
      ...both('supporting'),
      ...both('supporting5'),
    ];
    const resources = files.flatMap((file) => this.resources(file, base.root, missing));
    const { canonicals, source } =
      mode === 'profile' ? this.source(profile.source, base.root, missing) : { canonicals: [], source: [] };
    const loose = [...source, ...resources];
    return { packages: loose.length === 0 ? base : base.with(loose), profiles: canonicals, missing };
  }

  private async packageSet(
    wanted: readonly string[],
    paths: ReadonlyMap<string, string>,
    missing: string[],
  ): Promise<PackageSet> {
    const found: string[] = [];
    for (const name of wanted) {
      const file = join(this.casesDirectory, name);
      const asked = name.endsWith('.tgz') && existsSync(file) ? file : name;
      try {
        await this.packageSetOf([asked], paths);
        found.push(asked);
      } catch (error) {
        if (!(error instanceof PackageError)) throw error;
        missing.push(name);
      }
    }
    return this.packageSetOf(found, paths);
  }

  private async packageSetOf(
    packages: readonly string[],
    packagePaths: ReadonlyMap<string, string>,
  ): Promise<PackageSet> {
    const key = JSON.stringify([packages, [...packagePaths]]);
    const known = this.sets.get(key);
    if (known !== undefined) return known;
    const set = await loadPackages({
      packages,
      packagePaths,
      packagesDirectory: this.packagesDirectory,
      cache: this.cache,
    });
    this.sets.set(key, set);
    return set;
  }

  private source(
    source: unknown,
    scope: PackageScope,
    missing: string[],
  ): { canonicals: string[]; source: FhirDefinition[] } {
    if (typeof source !== 'string') return { canonicals: [], source: [] };
    if (/^(https?|urn):/.test(source)) return { canonicals: [source], source: [] };
    const resources = this.resources(source, scope, missing);
    const canonical: unknown = resources[0]?.url;
    if (resources.length > 0 && typeof canonical !== 'string') missing.push(`${source}: no profile with a url`);
    return { canonicals: typeof canonical === 'string' ? [canonical] : [], source: resources };
  }

  private resources(file: string, scope: PackageScope, missing: string[]): FhirDefinition[] {
    try {
      const text = readFileSync(join(this.casesDirectory, file), 'utf8');
      const resource = parseResource(text, scope);
      return resource.resourceType === 'Bundle' ? bundled(resource) : [resource];
    } catch (error) {
      missing.push(`${file}: ${error instanceof Error ? error.message : 'cannot be read'}`);
      return [];
    }
  }

  /** What the reference harness answers for a reference that leaves the instance: a file of that name, or an empty stub. */
  fetch(reference: string, scope: PackageScope): FhirDefinition | undefined {
    const name = reference.replaceAll('/', '-').toLowerCase();
    for (const ending of ['.json', '.xml']) {
      const file = join(this.casesDirectory, `${name}${ending}`);
      if (/^[\w.-]+$/.test(name) && existsSync(file)) return parseResource(readFileSync(file, 'utf8'), scope);
    }
    const [, type, id] = /^(Questionnaire|Patient)\/(.+)$/.exec(reference) ?? [];
    return type === undefined || id === undefined ? undefined : { resourceType: type, id };
  }
}

export function parseResource(text: string, scope: PackageScope): FhirDefinition {
  const resource: unknown = text.trimStart().startsWith('<')
    ? resourceFromXml(text, scope)
    : JSON.parse(text.replace(/^\uFEFF/, ''));
  if (!isObject(resource) || typeof resource.resourceType !== 'string') throw new Error('not a FHIR resource');
  return resource as FhirDefinition;
}

function bundled(bundle: FhirDefinition): FhirDefinition[] {
  const entries: unknown[] = Array.isArray(bundle.entry) ? bundle.entry : [];
  return entries.flatMap((entry) =>
    isObject(entry) && isObject(entry.resource) ? [entry.resource as FhirDefinition] : [],
  );
}

function packageMap(value: unknown, casesDirectory: string): Map<string, string> {
  const pairs = isObject(value) ? Object.entries(value) : [];
  return new Map(
    pairs.flatMap(([id, file]) => (typeof file === 'string' ? [[id, join(casesDirectory, file)] as const] : [])),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** For `JSON.stringify`: a program that reads rows finds every member of an issue, null where it is absent. */
export function absentIsNull(_key: string, value: unknown): unknown {
  return value === undefined ? null : value;
}
