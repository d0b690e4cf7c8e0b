/** From names of packages to a resolved set: reads what is asked for, its dependencies, and what is always loaded. No network. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { MissingPackage, PackageSet } from './definitions.ts';
import { PackageCache } from './package-cache.ts';
import type { IndexedPackage } from './package-cache.ts';
import { PackageError } from './package-error.ts';
import { ResolvedPackages } from './package-set.ts';
import type { PlacedPackage } from './package-set.ts';
import { PackagesFolder, packageName, splitPackageId } from './packages-folder.ts';

/** Of a canonical in several of them the first is meant: the extensions pack and THO supersede what R4 core once published. */
const alwaysLoaded = ['hl7.fhir.uv.extensions.r4', 'hl7.terminology.r4', 'hl7.fhir.r4.core'];

/** `profiles/` of this installation. */
export const carriedPackagesDirectory = join(import.meta.dirname, '..', '..', '..', 'profiles');

export interface LoadPackagesOptions {
  /** Each a file, a folder, or `ID#VERSION` (or `ID`: the newest) to be found in the packages folder. */
  readonly packages?: readonly string[];
  /** Searched before the carried packages; a copy of an always-loaded package in it wins. */
  readonly packagesDirectory?: string | undefined;
  readonly carriedDirectory?: string;
  /** Where a package is that is in no folder, by `ID#VERSION`. */
  readonly packagePaths?: ReadonlyMap<string, string>;
  /** Indexes of packages, shared between loads; by default one on disk in the temporary folder. */
  readonly cache?: PackageCache;
}

/**
 * Loading succeeds with whatever is missing: it is in `missing` and `unresolved()` of the answer.
 * @throws {PackageError} unreadable | not-found: only for a package that was asked for by name
 */
export async function loadPackages(options: LoadPackagesOptions = {}): Promise<PackageSet> {
  const loader = new Loader(options);
  for (const id of alwaysLoaded) loader.loadBase(id);
  for (const wanted of options.packages ?? []) loader.load(wanted);
  return Promise.resolve(new ResolvedPackages(loader.placed(), loader.missing));
}

class Loader {
  readonly missing: MissingPackage[] = [];
  private readonly cache: PackageCache;
  private readonly folders: readonly PackagesFolder[];
  private readonly packagePaths: ReadonlyMap<string, string>;
  private readonly base: string[] = [];
  /** By `id#version`, in the order of loading. */
  private readonly loaded = new Map<string, IndexedPackage>();
  private readonly dependencies = new Map<string, string[]>();

  constructor(options: LoadPackagesOptions) {
    this.cache = options.cache ?? new PackageCache();
    this.packagePaths = options.packagePaths ?? new Map();
    const paths = [options.packagesDirectory, options.carriedDirectory ?? carriedPackagesDirectory];
    this.folders = paths.filter((path) => path !== undefined).map((path) => new PackagesFolder(path));
  }

  loadBase(id: string): void {
    const path = this.folders.map((folder) => folder.find(id, undefined)).find((found) => found !== undefined);
    if (path === undefined)
      throw new PackageError('not-found', `package ${id} is always needed and in none of ${this.names()}`);
    this.base.push(this.add(path));
  }

  load(wanted: string): void {
    const path = existsSync(wanted) ? wanted : this.find(wanted);
    // What is always loaded stands for every version of it.
    if (path === undefined && alwaysLoaded.includes(packageName(splitPackageId(wanted).id))) return;
    if (path === undefined)
      throw new PackageError('not-found', `package ${wanted} is neither a file nor in ${this.names()}`);
    this.add(path);
  }

  placed(): PlacedPackage[] {
    return [...this.loaded].map(([id, indexed]) => ({
      id,
      indexed,
      closure: this.closure(id),
      resolved: this.dependencies.get(id) ?? [],
      isBase: this.base.includes(id),
    }));
  }

  private find(wanted: string): string | undefined {
    const placed = this.packagePaths.get(wanted);
    if (placed !== undefined) return placed;
    const { id, version } = splitPackageId(wanted);
    return this.folders.map((folder) => folder.find(id, version)).find((found) => found !== undefined);
  }

  private names(): string {
    return this.folders.map((folder) => folder.path).join(', ');
  }

  private add(path: string): string {
    const indexed = this.cache.open(path);
    const { name, version } = indexed.manifest;
    const id = `${name}#${version}`;
    if (this.loaded.has(id)) return id;
    this.loaded.set(id, indexed);
    const resolved: string[] = [];
    this.dependencies.set(id, resolved);
    for (const [dependency, wantedVersion] of Object.entries(indexed.manifest.dependencies)) {
      if (alwaysLoaded.includes(packageName(dependency))) continue;
      const found = this.find(`${dependency}#${wantedVersion}`);
      if (found === undefined) this.missing.push({ wanted: `${dependency}#${wantedVersion}`, wantedBy: id });
      else resolved.push(this.add(found));
    }
    return id;
  }

  /** Breadth first, so that the version nearest to a package is the one it means; cycles end at what was seen. */
  private closure(id: string): string[] {
    const order: string[] = [];
    let level = this.dependencies.get(id) ?? [];
    while (level.length > 0) {
      const fresh = [...new Set(level)].filter((one) => one !== id && !order.includes(one));
      order.push(...fresh);
      level = fresh.flatMap((one) => this.dependencies.get(one) ?? []);
    }
    return order;
  }
}
