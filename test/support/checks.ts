/** Single checks on single values, without an engine around them. */
import { CheckContext } from '../../src/validation/checks/report.ts';
import type { JsonObject } from '../../src/validation/checks/report.ts';
import { defaultSettings } from '../../src/validation/checks/services.ts';
import type { CheckSettings } from '../../src/validation/checks/services.ts';
import type { PackageScope } from '../../src/validation/packages/definitions.ts';
import { createTerminology } from '../../src/validation/terminology/terminology.ts';

/** A view on no packages at all. */
export const emptyScope: PackageScope = {
  id: 'empty',
  resolve: () => undefined,
  resolveType: () => undefined,
  list: () => [],
};

/** What a check finds, as `id` or `id@place`; the place is relative to the value. */
export function findingsOf(
  check: (value: unknown, c: CheckContext) => void,
  value: unknown,
  options: {
    readonly scope?: PackageScope;
    readonly settings?: Partial<CheckSettings>;
    readonly root?: JsonObject;
  } = {},
): string[] {
  const services = {
    scope: options.scope ?? emptyScope,
    terminology: createTerminology(),
    settings: { ...defaultSettings, ...options.settings },
  };
  const c = new CheckContext(services, options.root ?? (value as JsonObject), {});
  check(value, c);
  return c.findings.map(({ rule, expression }) => (expression === '' ? rule.id : `${rule.id}@${expression}`));
}
