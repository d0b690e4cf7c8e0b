/** FHIR packages made up for tests, as archives and folders. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface TarEntry {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** Type flag; `0` is a regular file. */
  readonly kind?: string;
}

export function makeTar(entries: readonly TarEntry[]): Uint8Array {
  const blocks: Buffer[] = [];
  for (const { name, content, kind = '0' } of entries) {
    const bytes = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(kind, 156);
    header.write('ustar\0', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    blocks.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'concordat-test-'));
}

export interface TestPackage {
  readonly id: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly resources?: readonly object[];
}

function filesOf({ id, version, dependencies = {}, resources = [] }: TestPackage): TarEntry[] {
  const manifest = { name: id, version, dependencies };
  return [
    { name: 'package/package.json', content: JSON.stringify(manifest) },
    ...resources.map((resource, index) => ({
      name: `package/resource-${index}.json`,
      content: JSON.stringify(resource),
    })),
  ];
}

/** Writes `ID-VERSION.tgz` into the folder and returns its path. */
export function writePackage(folder: string, one: TestPackage): string {
  const path = join(folder, `${one.id}-${one.version}.tgz`);
  writeFileSync(path, gzipSync(makeTar(filesOf(one))));
  return path;
}

/** Writes the package as an unpacked folder and returns its path. */
export function writePackageFolder(folder: string, one: TestPackage): string {
  const path = join(folder, `${one.id}#${one.version}`);
  for (const { name, content } of filesOf(one)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}

/** A profile with a differential and no snapshot. */
export function profile(
  name: string,
  elements: readonly object[],
  more: object = {},
): { resourceType: string; url: string; [element: string]: unknown } {
  return {
    resourceType: 'StructureDefinition',
    url: `http://example.org/StructureDefinition/${name}`,
    version: '1.0.0',
    name,
    status: 'active',
    kind: 'resource',
    abstract: false,
    type: 'Patient',
    baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
    derivation: 'constraint',
    differential: { element: elements },
    ...more,
  };
}
