import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compareSnapshots } from '../../../scripts/conformance-snapshot-compare.ts';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { generateSnapshot } from '../../../src/validation/snapshot/generate.ts';
import { differentialElements, publishedElements } from '../../../src/validation/snapshot/published.ts';
import { SnapshotError } from '../../../src/validation/snapshot/snapshot-error.ts';
import { snapshotOf } from '../../../src/validation/snapshot/snapshot.ts';

/** Share of published snapshots that come out the same in everything that can change a verdict; the others are explained in docs/validation.md. */
const expected: readonly (readonly [packageId: string, minimum: number])[] = [
  ['hl7.fhir.r4.core#4.0.1', 0.9],
  ['hl7.fhir.uv.extensions.r4#5.3.0', 0.97],
  ['hl7.terminology.r4#7.0.1', 1],
  ['hl7.fhir.us.core#6.1.0', 0.75],
  ['hl7.fhir.us.core#7.0.0', 0.7],
];

describe('published snapshots', () => {
  for (const [packageId, minimum] of expected)
    test(`${packageId}: at least ${minimum * 100} % are made again from their differentials`, async () => {
      const set = await loadPackages({ packages: [packageId] });
      let compared = 0;
      let equal = 0;
      for (const definition of set.scope(packageId)?.list('StructureDefinition') ?? []) {
        const published = publishedElements(definition.resource);
        if (
          definition.packageId !== packageId ||
          published === undefined ||
          differentialElements(definition.resource).length === 0
        )
          continue;
        try {
          const differences = compareSnapshots(published, generateSnapshot(definition, snapshotOf));
          compared++;
          if (!differences.some((difference) => difference.isDecisive)) equal++;
        } catch (error) {
          assert.ok(error instanceof SnapshotError && error.code === 'base-missing', definition.url);
        }
      }
      assert.ok(compared > 5);
      assert.ok(equal / compared >= minimum, `${equal} of ${compared}`);
    });
});
