/**
 * Packages unpacked and indexed once, on disk by content hash, so that a start reads an index and no definition.
 * Per package `HASH.data` holds the resources' JSON texts one after another, `HASH.index.json` where each lies and what it is, and
 * `HASH.wants.json` the canonicals it needs. The index is written last and by rename: after a crash it is either whole or absent, and absent
 * means that the package is unpacked again.
 */
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { DefinitionFacts, FhirDefinition } from './definitions.ts';
import { PackageSource, isDefinitionFile, isObject, parseJson, parseManifest } from './package-source.ts';
import type { PackageFile, PackageManifest } from './package-source.ts';
import { wantedCanonicals } from './wanted-canonicals.ts';
import type { WantedCanonical } from './wanted-canonicals.ts';

/** Raise when anything below changes what is written. */
const formatNumber = 2;

export interface IndexEntry extends DefinitionFacts {
  /** Byte range in the data. */
  readonly offset: number;
  readonly length: number;
}

/** One package as the rest of the loader sees it. */
export interface IndexedPackage {
  readonly manifest: PackageManifest;
  readonly digest: string;
  readonly path: string;
  readonly entries: readonly IndexEntry[];
  readonly skipped: readonly string[];
  readonly read: (entry: IndexEntry) => FhirDefinition;
  /** One list for each entry, in their order. */
  readonly wanted: () => readonly (readonly WantedCanonical[])[];
}

interface StoredIndex {
  readonly format: number;
  readonly manifest: PackageManifest;
  readonly entries: readonly IndexEntry[];
  readonly skipped: readonly string[];
}

export function defaultCacheDirectory(): string {
  return join(tmpdir(), `concordat-cache-${userInfo().uid}`);
}

/** Opens packages and remembers those it has opened, by path and digest. */
export class PackageCache {
  private readonly directory: string | undefined;
  private readonly opened = new Map<string, IndexedPackage>();

  /** @param directory where indexes are kept; undefined keeps them in memory, as does a directory that others may write to */
  constructor(directory: string | undefined = defaultCacheDirectory()) {
    this.directory = directory !== undefined && isPrivate(directory) ? directory : undefined;
  }

  /** @throws {PackageError} unreadable */
  open(path: string): IndexedPackage {
    const source = new PackageSource(path);
    const known = this.opened.get(source.digest);
    if (known !== undefined) return known;
    const indexed = this.fromDisk(source) ?? this.unpack(source);
    this.opened.set(source.digest, indexed);
    return indexed;
  }

  private file(digest: string, suffix: string): string {
    return join(this.directory ?? '', `${digest}.${formatNumber}.${suffix}`);
  }

  private fromDisk(source: PackageSource): IndexedPackage | undefined {
    if (this.directory === undefined) return undefined;
    try {
      const stored = JSON.parse(readFileSync(this.file(source.digest, 'index.json'), 'utf8')) as StoredIndex;
      if (stored.format !== formatNumber) return undefined;
      statSync(this.file(source.digest, 'data'));
      return this.onDisk(source, stored);
    } catch {
      // Not there yet, or damaged: unpacking writes it anew.
      return undefined;
    }
  }

  private onDisk(source: PackageSource, stored: StoredIndex): IndexedPackage {
    const data = this.file(source.digest, 'data');
    const wants = this.file(source.digest, 'wants.json');
    return {
      ...stored,
      digest: source.digest,
      path: source.path,
      read: (entry) => JSON.parse(readRange(data, entry.offset, entry.length)) as FhirDefinition,
      wanted: () => JSON.parse(readFileSync(wants, 'utf8')) as WantedCanonical[][],
    };
  }

  private unpack(source: PackageSource): IndexedPackage {
    const unpacked = indexFiles(source.files(), source.path);
    const { stored, data, wanted } = unpacked;
    if (this.directory !== undefined) {
      try {
        writeWhole(this.file(source.digest, 'data'), data);
        writeWhole(this.file(source.digest, 'wants.json'), JSON.stringify(wanted));
        writeWhole(this.file(source.digest, 'index.json'), JSON.stringify(stored));
        return this.onDisk(source, stored);
      } catch {
        // A full or read-only disk costs memory and the next start, nothing else.
      }
    }
    const read = (entry: IndexEntry) =>
      JSON.parse(data.toString('utf8', entry.offset, entry.offset + entry.length)) as FhirDefinition;
    return { ...stored, digest: source.digest, path: source.path, read, wanted: () => wanted };
  }
}

/** A cache that someone else may write to would be a way to hand us profiles: it must be ours alone. */
function isPrivate(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(directory);
    return process.platform === 'win32' || (uid === userInfo().uid && (mode & 0o022) === 0);
  } catch {
    return false;
  }
}

function writeWhole(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content, { mode: 0o600 });
  renameSync(temporary, path);
}

function readRange(path: string, offset: number, length: number): string {
  const bytes = Buffer.allocUnsafe(length);
  const descriptor = openSync(path, 'r');
  try {
    for (let done = 0; done < length;) {
      const count = readSync(descriptor, bytes, done, length - done, offset + done);
      if (count === 0) throw new Error('package cache is cut short');
      done += count;
    }
  } finally {
    closeSync(descriptor);
  }
  return bytes.toString('utf8');
}

function indexFiles(
  files: readonly PackageFile[],
  path: string,
): { stored: StoredIndex; data: Buffer; wanted: WantedCanonical[][] } {
  const manifest = parseManifest(files, path);
  const entries: IndexEntry[] = [];
  const wanted: WantedCanonical[][] = [];
  const skipped: string[] = [];
  const texts: Buffer[] = [];
  let offset = 0;
  for (const file of files) {
    if (!isDefinitionFile(file.name)) continue;
    let resource: unknown;
    try {
      resource = parseJson(file.bytes);
    } catch {
      skipped.push(`${file.name}: not JSON`);
      continue;
    }
    const facts = definitionFacts(resource);
    if (facts === undefined) continue;
    const text = Buffer.from(JSON.stringify(resource));
    entries.push({ ...facts, offset, length: text.length });
    wanted.push(wantedCanonicals(resource as FhirDefinition));
    texts.push(text);
    offset += text.length;
  }
  return { stored: { format: formatNumber, manifest, entries, skipped }, data: Buffer.concat(texts), wanted };
}

/** What the index keeps of a resource; undefined when it is not a definition (no canonical, and not a NamingSystem). */
export function definitionFacts(resource: unknown): DefinitionFacts | undefined {
  if (!isObject(resource)) return undefined;
  const text = (name: string): string | undefined => {
    const value = resource[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const type = text('resourceType');
  const url = text('url');
  if (type === undefined || (url === undefined && type !== 'NamingSystem')) return undefined;
  const isStructure = type === 'StructureDefinition';
  const kind = isStructure ? text('kind') : type === 'CodeSystem' ? text('content') : undefined;
  const constrainedType = isStructure ? text('type') : undefined;
  const derivation = isStructure ? text('derivation') : undefined;
  const base = isStructure ? text('baseDefinition') : undefined;
  const supplements = type === 'CodeSystem' ? text('supplements') : undefined;
  const globals = type === 'ImplementationGuide' ? globalProfiles(resource) : [];
  return {
    url: url ?? '',
    version: text('version') ?? '',
    type,
    id: text('id') ?? '',
    ...(kind !== undefined && { kind }),
    ...(constrainedType !== undefined && { constrainedType }),
    ...(derivation !== undefined && { derivation }),
    ...(base !== undefined && { base }),
    ...(supplements !== undefined && { supplements }),
    ...(globals.length > 0 && { globals }),
  };
}

function globalProfiles(guide: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  const globals: unknown[] = Array.isArray(guide.global) ? guide.global : [];
  return globals.flatMap((one) =>
    isObject(one) && typeof one.type === 'string' && typeof one.profile === 'string'
      ? [[one.type, one.profile] as const]
      : [],
  );
}
