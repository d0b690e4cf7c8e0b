/** Composes packages, terminology, policy and engine into a validator. */
import type { JsonObject } from './checks/report.ts';
import type { CheckSettings } from './checks/services.ts';
import { createValidator } from './engine.ts';
import type { ValidatorParts } from './engine.ts';
import type { PackageSet } from './packages/definitions.ts';
import { PackageError } from './packages/package-error.ts';
import { createPolicy } from './policy.ts';
import type { PolicyName, SeverityChoice, SeverityOverride } from './policy.ts';
import { SnapshotError } from './snapshot/snapshot-error.ts';
import { snapshotOf } from './snapshot/snapshot.ts';
import { createTerminology } from './terminology/terminology.ts';
import type { Validator } from './validator.ts';

export interface ValidatorOptions {
  readonly packages: PackageSet;
  readonly policy: PolicyName;
  readonly settings?: Partial<CheckSettings>;
  readonly overrides?: readonly SeverityOverride[] | undefined;
  /** What becomes of findings that only say that something could not be told offline. */
  readonly cannotTell?: SeverityChoice | undefined;
  /** Today, `YYYY-MM-DD`, against which overrides expire. */
  readonly today?: string;
  /** Whether issues may quote what was found in the instance; default: only under `hl7`. */
  readonly showFound?: boolean;
  readonly resolveReference?: (reference: string) => JsonObject | undefined;
  /** A terminology server for what cannot be told offline. */
  readonly remote?: ValidatorParts['remote'];
}

export function createValidatorFor(options: ValidatorOptions): Validator {
  const { packages, policy, settings, overrides, cannotTell, today, showFound, resolveReference, remote } = options;
  return createValidator({
    packages,
    terminology: createTerminology(),
    policy: createPolicy(policy, {
      ...(settings !== undefined && { settings }),
      ...(overrides !== undefined && { overrides }),
      ...(cannotTell !== undefined && { cannotTell }),
      ...(today !== undefined && { today }),
      ...(showFound !== undefined && { showFound }),
    }),
    ...(resolveReference !== undefined && { resolveReference }),
    ...(remote !== undefined && { remote }),
  });
}

/**
 * For profiles that configuration names: they must be there, and usable, before the first message.
 * @throws {PackageError} unusable, naming every one that is not
 */
export function assertProfilesUsable(packages: PackageSet, profiles: readonly string[]): void {
  const problems = profiles.flatMap((profile) => problemOf(packages, profile));
  if (problems.length > 0) throw new PackageError('unusable', problems.join('; '));
}

function problemOf(packages: PackageSet, profile: string): string[] {
  const definition = packages.root.resolve(profile, 'StructureDefinition');
  if (definition === undefined) return [`profile ${profile} is in no loaded package`];
  try {
    assertBases(definition.scope, definition.base, new Set([definition.url]));
    snapshotOf(definition);
    return [];
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    return [`profile ${profile} cannot be used: ${error.message}`];
  }
}

function assertBases(scope: PackageSet['root'], base: string | undefined, seen: Set<string>): void {
  if (base === undefined) return;
  const definition = scope.resolve(base, 'StructureDefinition');
  if (definition === undefined) throw new SnapshotError('base-missing', `its base ${base} is in no loaded package`);
  if (seen.has(definition.url)) throw new SnapshotError('cyclic', `its chain of bases returns to ${definition.url}`);
  assertBases(definition.scope, definition.base, seen.add(definition.url));
}
