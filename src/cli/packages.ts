import { copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { LoadedPackage, PackageSet } from '../validation/packages/definitions.ts';
import { carriedPackagesDirectory, loadPackages } from '../validation/packages/load-packages.ts';
import { compareLocks, lockOf, readLock, writeLock } from '../validation/packages/lock.ts';
import { PackageError } from '../validation/packages/package-error.ts';
import { PackageSource, parseManifest } from '../validation/packages/package-source.ts';
import { PackagesFolder } from '../validation/packages/packages-folder.ts';
import { diffPackages } from './packages-diff.ts';

interface FolderOptions {
  readonly packagesDir: string;
  readonly json?: boolean;
}

export function packagesCommand(program: Command): void {
  const packages = program.command('packages').description('FHIR packages in the packages folder');
  const command = (name: string, description: string): Command =>
    packages
      .command(name)
      .description(description)
      .option('--packages-dir <folder>', 'the packages folder', carriedPackagesDirectory)
      .option('--json', 'as JSON')
      .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  command('list', 'what is there: definitions, digest, dependencies, and what cannot be resolved').action(
    guarded(listPackages),
  );
  command('add', 'check packages and copy them into the folder')
    .argument('<files...>', 'package archives (.tgz)')
    .action((files: readonly string[], options: FolderOptions) => guarded(() => addPackages(files, options))(options));
  command('lock', 'write the digests of every package in the folder to its lock file').action(guarded(lockPackages));
  command('diff', 'the folder against its lock file, or two packages against each other')
    .argument('[packages...]', 'two packages: files or ID#VERSION')
    .action((names: readonly string[], options: FolderOptions) => guarded(() => diff(names, options))(options));
}

type Run = (options: FolderOptions) => Promise<number> | number;

/** A package that cannot be read is exit code 2, as for every command. */
function guarded(run: Run): (options: FolderOptions) => Promise<void> {
  return async (options) => {
    try {
      process.exitCode = await run(options);
    } catch (error) {
      if (!(error instanceof PackageError)) throw error;
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    }
  };
}

async function loadFolder(directory: string): Promise<PackageSet> {
  if (!existsSync(directory)) throw new PackageError('not-found', `there is no folder ${directory}`);
  const paths = new PackagesFolder(directory).list().map((candidate) => candidate.path);
  return loadPackages({ packages: paths, packagesDirectory: directory });
}

async function listPackages({ packagesDir, json }: FolderOptions): Promise<number> {
  const set = await loadFolder(packagesDir);
  const unresolved = set.unresolved();
  if (json === true) {
    print(JSON.stringify({ packages: set.packages, missing: set.missing, unresolved }, undefined, 2));
    return 0;
  }
  for (const one of set.packages) {
    print(`${one.id}#${one.version}  ${one.count} definitions  sha256 ${one.digest}`);
    for (const reason of one.skipped) print(`  left out: ${reason}`);
    for (const { wanted } of set.missing.filter(({ wantedBy }) => wantedBy === `${one.id}#${one.version}`))
      print(`  not here: ${wanted}`);
    for (const { canonical, kind, wantedBy, element } of unresolved.filter(
      ({ packageId }) => packageId === `${one.id}#${one.version}`,
    ))
      print(`  unresolved ${kind}: ${canonical} (wanted by ${wantedBy}${element === '' ? '' : `#${element}`})`);
  }
  return 0;
}

function addPackages(files: readonly string[], { packagesDir }: FolderOptions): number {
  mkdirSync(packagesDir, { recursive: true });
  for (const file of files) {
    const { name, version } = parseManifest(new PackageSource(file).files(), file);
    if (!/^[a-z][a-z0-9.-]*$/i.test(name) || !/^[0-9A-Za-z][0-9A-Za-z.+-]*$/.test(version))
      throw new PackageError('unreadable', `package ${file} has a name or version that is none`);
    const target = join(packagesDir, `${name}-${version}.tgz`);
    // Copied beside and renamed: a crash leaves no half package under a package's name.
    copyFileSync(file, `${target}.tmp`);
    renameSync(`${target}.tmp`, target);
    print(`${name}#${version} is now ${target}`);
  }
  if (readLock(packagesDir) !== undefined)
    process.stderr.write('the lock file is as it was: run `concordat packages lock` when you agree\n');
  return 0;
}

async function lockPackages({ packagesDir }: FolderOptions): Promise<number> {
  const set = await loadFolder(packagesDir);
  print(`${set.packages.length} packages locked in ${writeLock(packagesDir, lockOf(set.packages))}`);
  return 0;
}

async function diff(names: readonly string[], { packagesDir, json }: FolderOptions): Promise<number> {
  if (names.length === 2) return diffTwo(names, packagesDir, json === true);
  if (names.length !== 0)
    throw new PackageError('not-found', 'diff compares two packages, or the folder with its lock file');
  const locked = readLock(packagesDir);
  if (locked === undefined)
    throw new PackageError('lock', `${packagesDir} has no lock file: run \`concordat packages lock\``);
  const differences = compareLocks(locked, lockOf((await loadFolder(packagesDir)).packages));
  if (json === true) print(JSON.stringify(differences));
  else for (const { id, kind } of differences) print(`${kind} ${id}`);
  return differences.length === 0 ? 0 : 1;
}

async function diffTwo(names: readonly string[], packagesDirectory: string, json: boolean): Promise<number> {
  const [before, after] = await Promise.all(names.map((name) => loadOne(name, packagesDirectory)));
  if (before === undefined || after === undefined) return 2;
  const differences = diffPackages(before, after);
  if (json) print(JSON.stringify(differences));
  else
    for (const { kind, canonical, detail } of differences)
      print(`${kind} ${canonical}${detail === '' ? '' : `: ${detail}`}`);
  return differences.length === 0 ? 0 : 1;
}

async function loadOne(name: string, packagesDirectory: string): Promise<{ set: PackageSet; package: LoadedPackage }> {
  const before = await loadPackages({ packagesDirectory });
  const set = await loadPackages({ packages: [name], packagesDirectory });
  const known = new Set(before.packages.map((one) => `${one.id}#${one.version}`));
  const own =
    set.packages.find((one) => !known.has(`${one.id}#${one.version}`)) ??
    set.packages.find((one) => name.startsWith(one.id));
  if (own === undefined) throw new PackageError('not-found', `package ${name} is not here`);
  return { set, package: own };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
