import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runFhirPathSuite } from '../../../scripts/conformance-fhirpath-suite.ts';

test("HL7's FHIRPath suite for R4 passes but for what is known", async () => {
  const rows = await runFhirPathSuite(join(import.meta.dirname, '..', '..', 'fixtures', 'fhirpath-suite'));
  assert.ok(rows.length > 900);
  const failed = rows.filter((row) => !row.passed).map((row) => row.name);
  assert.deepEqual(
    failed.sort(),
    [
      // In the library: boundaries of negative decimals, of quantities and of hours.
      'HighBoundaryDateTimeMillisecond1',
      'HighBoundaryDateTimeMillisecond3',
      'HighBoundaryDecimal15',
      'HighBoundaryDecimal16',
      'HighBoundaryQuantity',
      'LowBoundaryDateTimeMillisecond1',
      'LowBoundaryDecimal15',
      'LowBoundaryQuantity',
      // Errors that the specification wants at what published constraints do: `skip()` after `children()`, JSON names, `as()` on several items.
      'testDollarOrderNotAllowed',
      'testFHIRPathAsFunction21',
      'testPolymorphicsB',
      // Sorting with a key that is not there.
      'testSort10',
    ].sort(),
  );
});
