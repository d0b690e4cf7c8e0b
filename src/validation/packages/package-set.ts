/** The loaded packages as views: which definition a canonical means from inside a package, and from outside. */
import type {
  Definition,
  DefinitionFacts,
  FhirDefinition,
  LoadedPackage,
  MissingPackage,
  PackageScope,
  PackageSet,
  UnresolvedCanonical,
} from './definitions.ts';
import { definitionFacts } from './package-cache.ts';
import type { IndexEntry, IndexedPackage } from './package-cache.ts';
import { compareVersions, majorMinor } from './versions.ts';

const structureBase = 'http://hl7.org/fhir/StructureDefinition/';

/** A package with its place among the others. */
export interface PlacedPackage {
  readonly indexed: IndexedPackage;
  /** `id#version`. */
  readonly id: string;
  /** Its dependencies' ids, transitive, nearest first; core, terminology and extensions are not among them. */
  readonly closure: readonly string[];
  readonly resolved: readonly string[];
  /** Seen by every package, in the order extensions, terminology, core: of a canonical in several of them the first is meant. */
  readonly isBase: boolean;
}

class PackageDefinition implements Definition {
  readonly url: string;
  readonly version: string;
  readonly type: string;
  readonly id: string;
  declare readonly kind?: string;
  declare readonly constrainedType?: string;
  declare readonly derivation?: string;
  declare readonly base?: string;
  declare readonly supplements?: string;
  declare readonly globals?: readonly (readonly [type: string, profile: string])[];
  readonly packageId: string;
  private readonly read: () => FhirDefinition;
  private readonly scopeOf: () => PackageScope;
  private held: WeakRef<FhirDefinition> | undefined;
  private readonly slots = new Map<object, unknown>();

  constructor(facts: DefinitionFacts, packageId: string, read: () => FhirDefinition, scopeOf: () => PackageScope) {
    this.url = facts.url;
    this.version = facts.version;
    this.type = facts.type;
    this.id = facts.id;
    if (facts.kind !== undefined) this.kind = facts.kind;
    if (facts.constrainedType !== undefined) this.constrainedType = facts.constrainedType;
    if (facts.derivation !== undefined) this.derivation = facts.derivation;
    if (facts.base !== undefined) this.base = facts.base;
    if (facts.supplements !== undefined) this.supplements = facts.supplements;
    if (facts.globals !== undefined) this.globals = facts.globals;
    this.packageId = packageId;
    this.read = read;
    this.scopeOf = scopeOf;
  }

  get resource(): FhirDefinition {
    const held = this.held?.deref();
    if (held !== undefined) return held;
    const resource = this.read();
    this.held = new WeakRef(resource);
    return resource;
  }

  get scope(): PackageScope {
    return this.scopeOf();
  }

  remember<T>(slot: object, make: () => T): T {
    if (this.slots.has(slot)) return this.slots.get(slot) as T;
    const made = make();
    this.slots.set(slot, made);
    return made;
  }
}

/** Definitions of one package by canonical without version, newest first. */
type Layer = ReadonlyMap<string, readonly Definition[]>;

function layerOf(definitions: readonly Definition[]): Layer {
  const layer = new Map<string, Definition[]>();
  for (const definition of definitions) {
    const same = layer.get(definition.url);
    if (same === undefined) layer.set(definition.url, [definition]);
    else same.push(definition);
  }
  for (const same of layer.values())
    if (same.length > 1) same.sort((left, right) => compareVersions(right.version, left.version));
  return layer;
}

/** `url|version` apart, the fragment dropped. */
export function splitCanonical(canonical: string): { url: string; version: string | undefined } {
  const hash = canonical.indexOf('#');
  const whole = hash < 0 ? canonical : canonical.slice(0, hash);
  const bar = whole.indexOf('|');
  return bar < 0 ? { url: whole, version: undefined } : { url: whole.slice(0, bar), version: whole.slice(bar + 1) };
}

class LayeredScope implements PackageScope {
  readonly id: string;
  private readonly layers: readonly Layer[];
  /** In `root` the newest of all packages is meant, elsewhere the first layer that has the canonical. */
  private readonly newestWins: number;
  private readonly lists = new Map<string, readonly Definition[]>();

  /** @param newestWins how many layers from the front count as one, of which the newest version is taken */
  constructor(id: string, layers: readonly Layer[], newestWins = 0) {
    this.id = id;
    this.layers = layers;
    this.newestWins = newestWins;
  }

  resolve(canonical: string, type?: string): Definition | undefined {
    const { url, version } = splitCanonical(canonical);
    if (url === '') return undefined;
    if (version === undefined) return this.preferred(url, type);
    return (
      this.first(url, type, (definition) => definition.version === version) ??
      this.first(url, type, (definition) => definition.version !== '' && majorMinor(definition.version) === version)
    );
  }

  resolveType(name: string): Definition | undefined {
    return this.resolve(structureBase + name, 'StructureDefinition');
  }

  list(type: string): readonly Definition[] {
    const known = this.lists.get(type);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    const all: Definition[] = [];
    for (const layer of this.layers)
      for (const same of layer.values())
        for (const definition of same) {
          const key = definition.url === '' ? definition.id : `${definition.url}|${definition.version}`;
          if (definition.type !== type || seen.has(key)) continue;
          seen.add(key);
          all.push(definition);
        }
    if (all.length > 0) this.lists.set(type, all);
    return all;
  }

  private first(
    url: string,
    type: string | undefined,
    accepts: (definition: Definition) => boolean,
  ): Definition | undefined {
    for (const layer of this.layers) {
      const found = layer
        .get(url)
        ?.find((definition) => (type === undefined || definition.type === type) && accepts(definition));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private preferred(url: string, type: string | undefined): Definition | undefined {
    let best: Definition | undefined;
    for (let index = 0; index < this.layers.length; index++) {
      if (best !== undefined && index >= this.newestWins) break;
      const same = this.layers[index]?.get(url);
      if (same === undefined) continue;
      const found = type === undefined ? same[0] : same.find((definition) => definition.type === type);
      if (found !== undefined && (best === undefined || compareVersions(found.version, best.version) > 0)) best = found;
    }
    return best;
  }
}

/** Everything that was loaded, resolved against each other. */
export class ResolvedPackages implements PackageSet {
  readonly root: PackageScope;
  readonly packages: readonly LoadedPackage[];
  readonly missing: readonly MissingPackage[];
  private readonly placed: readonly PlacedPackage[];
  private readonly layers: ReadonlyMap<string, Layer>;
  private readonly scopes: ReadonlyMap<string, PackageScope>;
  private readonly loose: readonly Layer[];

  /** @param placed in the order of loading */
  constructor(placed: readonly PlacedPackage[], missing: readonly MissingPackage[]) {
    this.placed = placed;
    this.missing = missing;
    this.packages = placed.map(describe);
    const scopes = new Map<string, PackageScope>();
    const layers = new Map<string, Layer>();
    for (const one of placed) {
      const scopeOf = (): PackageScope => scopes.get(one.id) ?? this.root;
      const define = (entry: IndexEntry): Definition =>
        new PackageDefinition(entry, one.id, () => one.indexed.read(entry), scopeOf);
      layers.set(one.id, layerOf(one.indexed.entries.map(define)));
    }
    const layersOf = (ids: readonly string[]): Layer[] => ids.flatMap((id) => layers.get(id) ?? []);
    const base = placed.filter((one) => one.isBase).map((one) => one.id);
    for (const one of placed)
      scopes.set(one.id, new LayeredScope(one.id, layersOf([...new Set([one.id, ...one.closure, ...base])])));
    const others = placed.filter((one) => !one.isBase).map((one) => one.id);
    this.layers = layers;
    this.scopes = scopes;
    this.loose = [];
    this.root = new LayeredScope('root', layersOf([...others, ...base]), others.length);
  }

  scope(id: string): PackageScope | undefined {
    return this.scopes.get(id);
  }

  with(resources: readonly FhirDefinition[], id = 'loose'): PackageSet {
    return new LooseResources(this, this.rootLayers(), resources, id);
  }

  /** Layers of `root` and how many of them count as one, for sets on top of this one. */
  private rootLayers(): { layers: readonly Layer[]; newestWins: number } {
    const ordered = [...this.placed.filter((one) => !one.isBase), ...this.placed.filter((one) => one.isBase)];
    return {
      layers: [...this.loose, ...ordered.flatMap((one) => this.layers.get(one.id) ?? [])],
      newestWins: this.placed.filter((one) => !one.isBase).length,
    };
  }

  unresolved(): readonly UnresolvedCanonical[] {
    const report: UnresolvedCanonical[] = [];
    for (const one of this.placed) {
      const scope = this.scopes.get(one.id);
      const wanted = one.indexed.wanted();
      one.indexed.entries.forEach((entry, index) => {
        for (const [canonical, kind, element] of wanted[index] ?? []) {
          if (canonical.startsWith('#') || isSystemType(canonical) || scope?.resolve(canonical) !== undefined) continue;
          report.push({ canonical, kind, packageId: one.id, wantedBy: `${entry.url}|${entry.version}`, element });
        }
      });
    }
    return report;
  }
}

function isSystemType(canonical: string): boolean {
  return canonical.startsWith('http://hl7.org/fhirpath/System.');
}

function describe(one: PlacedPackage): LoadedPackage {
  const { manifest, digest, path, entries, skipped } = one.indexed;
  return {
    id: manifest.name,
    version: manifest.version,
    digest,
    path,
    dependencies: manifest.dependencies,
    resolved: one.resolved,
    count: entries.length,
    skipped,
  };
}

/** Loose resources before a set of packages. */
class LooseResources implements PackageSet {
  readonly root: PackageScope;
  readonly packages: readonly LoadedPackage[];
  readonly missing: readonly MissingPackage[];
  private readonly below: PackageSet;
  private readonly under: { layers: readonly Layer[]; newestWins: number };
  private readonly own: Layer;
  private readonly looseId: string;

  constructor(
    below: PackageSet,
    under: { layers: readonly Layer[]; newestWins: number },
    resources: readonly FhirDefinition[],
    id: string,
  ) {
    this.below = below;
    this.under = under;
    this.looseId = id;
    this.packages = below.packages;
    this.missing = below.missing;
    const definitions = resources.flatMap((resource): Definition[] => {
      const facts = definitionFacts(resource);
      return facts === undefined
        ? []
        : [
            new PackageDefinition(
              facts,
              id,
              () => resource,
              () => this.root,
            ),
          ];
    });
    this.own = layerOf(definitions);
    this.root = new LayeredScope('root', [this.own, ...under.layers], under.newestWins + 1);
  }

  scope(id: string): PackageScope | undefined {
    return id === this.looseId ? this.root : this.below.scope(id);
  }

  unresolved(): readonly UnresolvedCanonical[] {
    return this.below.unresolved();
  }

  with(resources: readonly FhirDefinition[], id = 'loose'): PackageSet {
    const under = { layers: [this.own, ...this.under.layers], newestWins: this.under.newestWins + 1 };
    return new LooseResources(this, under, resources, id);
  }
}
