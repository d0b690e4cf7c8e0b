/** Order of package and business versions: numbers by value, a label after `-` before the release (semver section 11), anything else as text. */

/** Negative when `left` is older, positive when newer. */
export function compareVersions(left: string, right: string): number {
  if (left === right) return 0;
  const [leftRelease, leftLabel] = splitLabel(left);
  const [rightRelease, rightLabel] = splitLabel(right);
  const byRelease = compareParts(leftRelease.split('.'), rightRelease.split('.'));
  if (byRelease !== 0) return byRelease;
  if (leftLabel === undefined || rightLabel === undefined)
    return leftLabel === rightLabel ? 0 : leftLabel === undefined ? 1 : -1;
  return compareParts(leftLabel.split('.'), rightLabel.split('.'));
}

function splitLabel(version: string): [string, string | undefined] {
  const [release = '', ...label] = (version.split('+', 1)[0] ?? '').split('-');
  return [release, label.length === 0 ? undefined : label.join('-')];
}

function compareParts(left: string[], right: string[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const order = comparePart(left[index], right[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(left: string | undefined, right: string | undefined): number {
  if (left === right) return 0;
  if (left === undefined) return -1;
  if (right === undefined) return 1;
  const leftNumber = /^\d{1,15}$/.test(left) ? Number(left) : undefined;
  const rightNumber = /^\d{1,15}$/.test(right) ? Number(right) : undefined;
  if (leftNumber !== undefined && rightNumber !== undefined) return leftNumber - rightNumber;
  if (leftNumber !== undefined) return 1;
  if (rightNumber !== undefined) return -1;
  return left < right ? -1 : 1;
}

/** First two numbers of a version, e.g. `4.0` of 4.0.1; undefined when it has not two numbers. */
export function majorMinor(version: string): string | undefined {
  return /^\d+\.\d+/.exec(version)?.[0];
}

/** Whether `version` names no fixed release: `current`, `current$branch`, `dev`, `latest`, a `-cibuild` label, or an `x` for a number. */
export function isFloatingVersion(version: string): boolean {
  return (
    /^(current(\$.*)?|dev|latest|\*)$/.test(version) ||
    version.endsWith('-cibuild') ||
    version.split(/[.-]/).includes('x')
  );
}

/**
 * Which of `available` stands for `wanted`: the exact one, else the newest of the same major version; for a floating version the newest
 * (`6.1.x`: the newest 6.1 where there is one).
 */
export function chooseVersion(wanted: string | undefined, available: readonly string[]): string | undefined {
  const newest = [...available].sort(compareVersions);
  if (wanted === undefined || wanted === '') return newest.at(-1);
  if (available.includes(wanted)) return wanted;
  if (isFloatingVersion(wanted)) {
    const prefix = /^((?:\d+\.)+)x/.exec(wanted)?.[1];
    return (
      (prefix === undefined ? undefined : newest.filter((version) => version.startsWith(prefix)).at(-1)) ??
      newest.at(-1)
    );
  }
  const major = wanted.split('.', 1)[0];
  return newest.filter((version) => version.split('.', 1)[0] === major).at(-1);
}
