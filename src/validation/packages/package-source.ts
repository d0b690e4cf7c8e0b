/** A FHIR NPM package on disk, as an archive or as a folder: its manifest, its resources' texts and its digest. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sha256 } from '../../hash.ts';
import { PackageError } from './package-error.ts';
import { readTar } from './tar.ts';

export interface PackageManifest {
  readonly name: string;
  readonly version: string;
  readonly canonical: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

export interface PackageFile {
  /** Path inside the package, e.g. `package/StructureDefinition-x.json`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Large enough for ten times the largest published package, small enough that a bomb does not end the process. */
const maximumUnpackedBytes = 1 << 30;

/** What a package is, before anything in it is read. */
export class PackageSource {
  readonly path: string;
  /** Lowercase hex SHA-256 of the archive, or of the folder's files (name, zero byte, length, bytes) in order of name. */
  readonly digest: string;
  private readonly archive: Uint8Array | undefined;

  /** @throws {PackageError} unreadable */
  constructor(path: string) {
    this.path = path;
    try {
      this.archive = statSync(path).isDirectory() ? undefined : readFileSync(path);
      this.digest = this.archive === undefined ? folderDigest(path) : hex(sha256(this.archive));
    } catch (cause) {
      throw new PackageError('unreadable', `package ${path} cannot be read`, { cause });
    }
  }

  /**
   * Every JSON file of the package, in archive order; AppleDouble files (`._*`) and other litter left out.
   * @throws {PackageError} unreadable
   */
  files(): PackageFile[] {
    if (this.archive === undefined) return folderFiles(this.path);
    try {
      const files: PackageFile[] = [];
      for (const file of readTar(unpack(this.archive))) if (isPackageJson(file.name)) files.push(file);
      return files;
    } catch (cause) {
      throw new PackageError('unreadable', `package ${this.path} is not a readable archive`, { cause });
    }
  }
}

function unpack(archive: Uint8Array): Uint8Array {
  const isGzip = archive[0] === 0x1f && archive[1] === 0x8b;
  return isGzip ? gunzipSync(archive, { maxOutputLength: maximumUnpackedBytes }) : archive;
}

function isPackageJson(name: string): boolean {
  const file = basename(name);
  return file.endsWith('.json') && !file.startsWith('._');
}

/** Whether a file lies at the top of the package, where conformance resources are; examples and other folders are not part of what it defines. */
export function isDefinitionFile(name: string): boolean {
  return (
    /^(\.\/)?(package\/)?[^/]+\.json$/.test(name) && !/(^|\/)(package|\.index|ig-r4|spec\.internals)\.json$/.test(name)
  );
}

export function isExampleFile(name: string): boolean {
  return /(^|\/)examples?\/[^/]+\.json$/.test(name) && !name.endsWith('.index.json');
}

/** A folder holds either `package/package.json`, as an unpacked archive, or the files themselves. */
function folderFiles(path: string): PackageFile[] {
  const inner = existsSync(join(path, 'package', 'package.json')) || !existsSync(join(path, 'package.json'));
  const root = inner && existsSync(join(path, 'package')) ? join(path, 'package') : path;
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && isPackageJson(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({ name: `package${file.slice(root.length).replaceAll('\\', '/')}`, bytes: readFileSync(file) }));
}

function folderDigest(path: string): string {
  const encoder = new TextEncoder();
  return hex(
    sha256(
      ...folderFiles(path).flatMap((file) => [encoder.encode(`${file.name}\0${file.bytes.length}\0`), file.bytes]),
    ),
  );
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** @throws {PackageError} unreadable: no manifest, or not an object with name and version */
export function parseManifest(files: readonly PackageFile[], path: string): PackageManifest {
  const file = files.find((candidate) => /^(\.\/)?(package\/)?package\.json$/.test(candidate.name));
  if (file === undefined) return looseManifest(files, path);
  let manifest: unknown;
  try {
    manifest = parseJson(file.bytes);
  } catch (cause) {
    throw new PackageError('unreadable', `package ${path} has a manifest that is not JSON`, { cause });
  }
  if (!isObject(manifest) || typeof manifest.name !== 'string' || typeof manifest.version !== 'string')
    throw new PackageError('unreadable', `package ${path} has a manifest without name or version`);
  const dependencies = isObject(manifest.dependencies) ? Object.entries(manifest.dependencies) : [];
  return {
    name: manifest.name,
    version: manifest.version,
    canonical: typeof manifest.canonical === 'string' ? manifest.canonical : '',
    dependencies: Object.fromEntries(
      dependencies.filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    ),
  };
}

/** A folder of resources without a manifest, as a profile compiler leaves it, counts as a package of the folder's name. */
function looseManifest(files: readonly PackageFile[], path: string): PackageManifest {
  if (!statSync(path).isDirectory() || files.length === 0)
    throw new PackageError('unreadable', `package ${path} has no package.json`);
  return { name: basename(path), version: '0.0.0', canonical: '', dependencies: {} };
}

/** @throws {SyntaxError} a byte order mark is accepted, bytes that are not UTF-8 are replaced */
export function parseJson(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder('utf-8').decode(bytes)) as unknown;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
