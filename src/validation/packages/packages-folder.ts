/** A folder of packages, by which `ID#VERSION` is found. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { PackageSource, parseManifest } from './package-source.ts';
import { chooseVersion } from './versions.ts';

interface Candidate {
  readonly id: string;
  readonly version: string;
  readonly path: string;
}

/** Names that packages go by without saying which FHIR release they are for; here it is always R4. */
const aliases: Readonly<Record<string, string>> = {
  'hl7.terminology': 'hl7.terminology.r4',
  'hl7.fhir.uv.extensions': 'hl7.fhir.uv.extensions.r4',
  'hl7.fhir.core': 'hl7.fhir.r4.core',
};

export function packageName(id: string): string {
  return Object.hasOwn(aliases, id) ? (aliases[id] ?? id) : id;
}

/** `ID#VERSION` apart; the version is undefined when none is given. */
export function splitPackageId(text: string): { id: string; version: string | undefined } {
  const hash = text.indexOf('#');
  return hash < 0 ? { id: text, version: undefined } : { id: text.slice(0, hash), version: text.slice(hash + 1) };
}

export class PackagesFolder {
  readonly path: string;
  private candidates: readonly Candidate[] | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Path of the package that stands for `id#version` here (see `chooseVersion`), or undefined. */
  find(id: string, version: string | undefined): string | undefined {
    this.candidates ??= listCandidates(this.path);
    const same = this.candidates.filter((candidate) => packageName(candidate.id) === packageName(id));
    const chosen = chooseVersion(
      version,
      same.map((candidate) => candidate.version),
    );
    return same.find((candidate) => candidate.version === chosen)?.path;
  }

  /** Every package here, `id#version`, in order of name. */
  list(): readonly Candidate[] {
    this.candidates ??= listCandidates(this.path);
    return this.candidates;
  }
}

function listCandidates(folder: string): Candidate[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.'))
    .flatMap((entry): Candidate[] => {
      const path = join(folder, entry.name);
      if (entry.isDirectory() || entry.isSymbolicLink())
        if (existsSync(join(path, 'package', 'package.json')) || existsSync(join(path, 'package.json')))
          return fromManifest(path);
      if (!/\.(tgz|tar\.gz)$/.test(entry.name)) return [];
      const [, id, version] = /^([a-z][\w.]*(?:-[a-z][\w.]*)*)[-#](\d.*)\.(?:tgz|tar\.gz)$/i.exec(entry.name) ?? [];
      return id !== undefined && version !== undefined ? [{ id, version, path }] : fromManifest(path);
    })
    .sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** A file whose name says nothing is asked; one that cannot be read is no candidate. */
function fromManifest(path: string): Candidate[] {
  try {
    const manifest = parseManifest(new PackageSource(path).files(), path);
    return [{ id: manifest.name, version: manifest.version, path }];
  } catch {
    return [];
  }
}
