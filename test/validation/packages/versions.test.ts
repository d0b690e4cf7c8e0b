import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { chooseVersion, compareVersions, isFloatingVersion } from '../../../src/validation/packages/versions.ts';

describe('compareVersions', () => {
  test('orders numbers by value and labels before their release', () => {
    const ordered = ['0.9.0', '1.0.0-ballot', '1.0.0', '1.2.0', '1.10.0', '2.0.0-alpha.1', '2.0.0-alpha.2', '2.0.0'];
    assert.deepEqual(ordered.toReversed().sort(compareVersions), ordered);
  });

  test('is a total order', () => {
    const version = fc
      .tuple(fc.nat(12), fc.nat(12), fc.option(fc.constantFrom('ballot', 'alpha.1', 'snapshot')))
      .map(([major, minor, label]) => `${major}.${minor}${label === null ? '' : `-${label}`}`);
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        assert.equal(Math.sign(compareVersions(a, b)) + Math.sign(compareVersions(b, a)), 0);
        if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
      }),
    );
  });
});

describe('chooseVersion', () => {
  const available = ['3.1.1', '4.0.0', '6.1.0', '7.0.0', '8.0.0'];
  const cases: readonly (readonly [wanted: string | undefined, chosen: string | undefined])[] = [
    ['6.1.0', '6.1.0'],
    ['3.1.0', '3.1.1'],
    ['8.0.0-ballot', '8.0.0'],
    ['5.0.0', undefined],
    ['current', '8.0.0'],
    ['dev', '8.0.0'],
    ['5.1.0-cibuild', '8.0.0'],
    ['6.1.x', '6.1.0'],
    ['9.x', '8.0.0'],
    ['x', '8.0.0'],
    [undefined, '8.0.0'],
  ];
  for (const [wanted, chosen] of cases)
    test(`${wanted ?? 'nothing'} stands for ${chosen ?? 'nothing'}`, () =>
      assert.equal(chooseVersion(wanted, available), chosen));

  test('a floating version names no release', () => {
    assert.deepEqual(['current$main', 'latest', '1.x', '1.0.0-cibuild', '1.0.0'].map(isFloatingVersion), [
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
