/** A resource wherever it stands: its type, the profiles it declares, and those that its content implies. */
import { isObject, objects } from '../compile/element-tree.ts';
import type { ObjectCheck } from '../compile/object-check.ts';
import type { CompiledProfile } from '../compile/profile-parts.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

export interface ResourceParts {
  type(name: string): ObjectCheck | undefined;
  /** Resolved by canonical; undefined where it is not loaded or not usable. */
  profile(canonical: string): CompiledProfile | undefined;
}

const noTypeRule: Rule = {
  id: 'resource-type-missing',
  severity: 'error',
  code: 'invalid',
  text: 'A resource must state its resourceType',
};
const unknownTypeRule: Rule = {
  id: 'resource-type-unknown',
  severity: 'error',
  code: 'invalid',
  text: 'There is no such resource type',
};
const unknownProfileRule: Rule = {
  id: 'profile-cannot-tell',
  severity: 'warning',
  code: 'not-found',
  text: 'The declared profile is not loaded, so it was not checked: declare one that is, or have its package loaded',
};

export class ResourceChecks {
  private readonly parts: ResourceParts;
  private globals: ReadonlyMap<string, readonly string[]> | undefined;

  constructor(parts: ResourceParts) {
    this.parts = parts;
  }

  /** The place is at the resource. @param required profiles that must hold beside the declared ones */
  check(resource: JsonObject, c: CheckContext, required: readonly CompiledProfile[] = []): void {
    const typeName = resource['resourceType'];
    if (typeof typeName !== 'string') {
      c.report(noTypeRule);
      return;
    }
    const type = this.parts.type(typeName);
    if (type === undefined || type.info.kind !== 'resource') {
      c.report(unknownTypeRule, '', typeName);
      return;
    }
    c.describe(type.facts);
    const applied: CompiledProfile[] = [...required];
    if (c.services.settings.obeyDeclaredProfiles) this.addDeclared(resource, applied, c);
    this.addGlobal(typeName, applied, c);
    if (typeName === 'Observation') this.addVitalSigns(resource, applied);
    const { scopes: outerScopes } = c;
    c.scopes = applied.length === 0 ? outerScopes : scopesOf(applied);
    type.check(resource, c);
    for (const profile of applied) {
      if (c.done) break;
      profile.check(resource, c);
    }
    c.scopes = outerScopes;
  }

  /** A resource inside another: what `%resource` and local references mean changes with it. */
  checkInside(resource: JsonObject, c: CheckContext, contained: boolean): void {
    const { resource: outerResource, container: outerContainer, bundle: outerBundle, entryIndex: outerEntry } = c;
    c.resource = resource;
    if (!contained) c.container = resource;
    // Only a Bundle's own entries are found by fullUrl; `entry[i].resource` stands one level below the entry.
    if (outerResource['resourceType'] === 'Bundle' && !contained) {
      c.bundle = outerResource;
      c.entryIndex = c.indexAt(c.depth - 2);
    }
    this.check(resource, c);
    c.resource = outerResource;
    c.container = outerContainer;
    c.bundle = outerBundle;
    c.entryIndex = outerEntry;
  }

  private addDeclared(resource: JsonObject, applied: CompiledProfile[], c: CheckContext): void {
    const meta = resource['meta'];
    const declared = isObject(meta) ? meta['profile'] : undefined;
    if (!Array.isArray(declared)) return;
    for (let at = 0; at < declared.length; at++) {
      const canonical: unknown = declared[at];
      if (typeof canonical !== 'string' || canonical === '') continue;
      const profile = this.parts.profile(canonical);
      if (profile === undefined) c.report(unknownProfileRule, `.meta.profile[${at}]`, canonical);
      else {
        c.applied?.add(profile.canonical);
        if (!applied.includes(profile)) applied.push(profile);
      }
    }
  }

  /** Profiles that a loaded implementation guide asks of every resource of a type. */
  private addGlobal(typeName: string, applied: CompiledProfile[], c: CheckContext): void {
    this.globals ??= globalProfiles(c.services.scope);
    for (const canonical of this.globals.get(typeName) ?? []) {
      const profile = this.parts.profile(canonical);
      if (profile !== undefined && !applied.includes(profile)) applied.push(profile);
    }
  }

  private addVitalSigns(resource: JsonObject, applied: CompiledProfile[]): void {
    const code = resource['code'];
    if (!isObject(code)) return;
    for (const coding of objects(code['coding'])) {
      if (coding['system'] !== 'http://loinc.org' || typeof coding['code'] !== 'string') continue;
      const name = vitalSigns.get(coding['code']);
      const profile =
        name === undefined ? undefined : this.parts.profile('http://hl7.org/fhir/StructureDefinition/' + name);
      if (profile !== undefined && !applied.includes(profile)) applied.push(profile);
    }
  }
}

function scopesOf(profiles: readonly CompiledProfile[]): readonly PackageScope[] {
  const [first, ...others] = profiles.map((profile) => profile.definition.scope);
  if (first === undefined || others.every((scope) => scope === first)) return first === undefined ? [] : [first];
  return [...new Set([first, ...others])];
}

function globalProfiles(scope: PackageScope): Map<string, string[]> {
  const byType = new Map<string, string[]>();
  for (const guide of scope.list('ImplementationGuide'))
    for (const [type, profile] of guide.globals ?? []) byType.set(type, [...(byType.get(type) ?? []), profile]);
  return byType;
}

/** R4's vital-signs profiles apply by code, declared or not (http://hl7.org/fhir/R4/observation-vitalsigns.html); LOINC codes as the oracle takes them. */
const vitalSigns: ReadonlyMap<string, string> = new Map(
  Object.entries({
    vitalspanel: ['85353-1'],
    resprate: ['9279-1', '19840-8'],
    heartrate: ['8867-4', '8889-8', '68999-2', '8893-0', '40443-4', '8890-6', '8886-4', '11328-2'],
    oxygensat: ['2708-6', '59408-5', '20564-1', '2710-2', '59417-6'],
    bodytemp: [
      '8310-5',
      '8309-7',
      '8328-7',
      '8329-5',
      '8330-3',
      '8331-1',
      '8332-9',
      '8333-7',
      '8334-5',
      '75539-7',
      '75987-8',
      '76010-8',
      '76011-6',
    ],
    bodyheight: ['8302-2', '8306-3', '8308-9', '3137-7', '3138-5'],
    headcircum: ['9843-4', '8287-5'],
    bodyweight: ['29463-7', '3141-9', '3142-7', '8350-1', '8351-9'],
    bmi: ['39156-5', '89270-3'],
    bp: ['85354-9', '55284-4', '8480-6', '35094-2', '76534-7', '8459-0'],
  }).flatMap(([name, codes]) => codes.map((code): [string, string] => [code, name])),
);
