/** What packages hold and how it is found: the vocabulary that the snapshot generator, the compiler and the terminology share. */
import type { ElementDefinition } from '@medplum/fhirtypes';

/** A conformance resource as parsed JSON, of untrusted origin: whoever reads an element checks its shape. */
export interface FhirDefinition {
  readonly resourceType: string;
  readonly id?: string;
  readonly url?: string;
  readonly version?: string;
  readonly [element: string]: unknown;
}

/** As R4 has it; every shape in it is a package's word only. */
export type { ElementDefinition };

/** What the index knows about a resource without parsing it. */
export interface DefinitionFacts {
  /** Canonical without version; empty where the resource has none (NamingSystem). */
  readonly url: string;
  /** Business version; empty where the resource states none. */
  readonly version: string;
  /** Resource type of the definition itself: `StructureDefinition`, `ValueSet`, … */
  readonly type: string;
  readonly id: string;
  /** `StructureDefinition.kind`, or `CodeSystem.content`. */
  readonly kind?: string;
  /** `StructureDefinition.type`: what is constrained or defined, e.g. `Patient`. */
  readonly constrainedType?: string;
  /** `StructureDefinition.derivation`: specialization or constraint. */
  readonly derivation?: string;
  /** `StructureDefinition.baseDefinition`. */
  readonly base?: string;
  /** `CodeSystem.supplements`. */
  readonly supplements?: string;
  /** `ImplementationGuide.global`: resource type and canonical of the profile that all its resources must meet. */
  readonly globals?: readonly (readonly [type: string, profile: string])[];
}

export interface Definition extends DefinitionFacts {
  /** Parsed at the first call and held weakly: keep it only as long as you need it. The `Definition` itself is stable, so memoise by it. */
  readonly resource: FhirDefinition;
  /** What canonicals inside this resource mean: own package, its dependencies, then what is always loaded. */
  readonly scope: PackageScope;
  /** `id#version` of the package it lives in. */
  readonly packageId: string;
  /** What `make` gave at the first call with this slot (an object that a module keeps for that purpose); lives as long as the definition. */
  remember<T>(slot: object, make: () => T): T;
}

/** A view on the loaded packages, by which a canonical is resolved. Stable: the same question gives the same `Definition` object. */
export interface PackageScope {
  /** `id#version` of the package whose view it is, or `root`. */
  readonly id: string;
  /**
   * @param canonical `url`, `url|version` (also a shortened version such as `4.0` for 4.0.1), a `#fragment` is ignored
   * @param type      resource type wanted; without it the first that has the canonical
   */
  resolve(canonical: string, type?: string): Definition | undefined;
  /** The definition of a type by its name, e.g. `Patient`, `HumanName`, `string`. */
  resolveType(name: string): Definition | undefined;
  /** Every definition of a resource type that is seen from here; for a canonical in several versions, all of them, the preferred first. */
  list(type: string): readonly Definition[];
}

/** A canonical that nothing loaded has. */
export interface UnresolvedCanonical {
  readonly canonical: string;
  /** `base`, `target`, `type-profile`, `value-set` or `extension`; a missing base makes `wantedBy` unusable, the others cannot be told. */
  readonly kind: 'base' | 'target' | 'type-profile' | 'value-set' | 'extension';
  /** `id#version` of the package. */
  readonly packageId: string;
  /** `url|version` of the resource that names it. */
  readonly wantedBy: string;
  /** Element id in it, e.g. `Patient.extension:race`; empty for the resource itself. */
  readonly element: string;
}

export interface MissingPackage {
  /** `id#version` as asked for. */
  readonly wanted: string;
  /** `id#version` of the package that asked, or empty for a command line or configuration. */
  readonly wantedBy: string;
}

export interface LoadedPackage {
  readonly id: string;
  readonly version: string;
  /** Lowercase hex SHA-256 of the archive, or of the folder's files in order of name. */
  readonly digest: string;
  readonly path: string;
  /** As its manifest says, `id` to version. */
  readonly dependencies: Readonly<Record<string, string>>;
  /** `id#version` of what those were resolved to. */
  readonly resolved: readonly string[];
  readonly count: number;
  /** Files that could not be read as a resource, with the reason. */
  readonly skipped: readonly string[];
}

export interface PackageSet {
  /** Sees every loaded package; the newest loaded wins for a canonical without version. */
  readonly root: PackageScope;
  readonly packages: readonly LoadedPackage[];
  readonly missing: readonly MissingPackage[];
  /** @param id `id#version` of a loaded package */
  scope(id: string): PackageScope | undefined;
  /** Reads what every definition names; not needed for validating. */
  unresolved(): readonly UnresolvedCanonical[];
  /** The same packages and, before them, loose resources (a case's supporting files, a member's own profiles); they see everything in `root`. */
  with(resources: readonly FhirDefinition[], id?: string): PackageSet;
}
