import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fingerprint } from '../../src/validation/fingerprint.ts';
import { outcomeOf } from '../../src/validation/outcome.ts';
import { loadPackages } from '../../src/validation/packages/load-packages.ts';
import { PackageError } from '../../src/validation/packages/package-error.ts';
import { assertProfilesUsable, createValidatorFor } from '../../src/validation/validator-factory.ts';
import { profile } from '../support/fhir-package.ts';

const packages = await loadPackages();
const validator = createValidatorFor({ packages, policy: 'hl7' });

describe('outcomeOf', () => {
  test('is an OperationOutcome that is valid itself, with context first', async () => {
    const report = await validator.validate({ text: '{"resourceType":"Patient",\n"birthDate":"nonsense","zz":1}' });
    const outcome = outcomeOf(report, validator.context);
    assert.equal(outcome.issue[0]?.severity, 'information');
    assert.equal(outcome.issue.length, report.issues.length + 1);
    const [found] = outcome.issue.slice(1).filter((issue) => issue.expression?.[0] === 'Patient.birthDate');
    const extension = (name: string): unknown => found?.extension?.find(({ url }) => url.endsWith(name));
    assert.deepEqual(extension('issue-line'), {
      url: 'http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line',
      valueInteger: 2,
    });
    const judged = await validator.validate({ resource: outcome });
    assert.deepEqual(
      judged.issues.filter(({ severity }) => severity === 'error'),
      [],
    );
  });
});

describe('fingerprint', () => {
  test('is the same for the same finding at another index or version', () => {
    const one = fingerprint('x', 'Patient.name[0].family', 'http://example.org/p|1.0#Patient.name');
    assert.equal(fingerprint('x', 'Patient.name[7].family', 'http://example.org/p|2.0#Patient.name'), one);
    assert.notEqual(fingerprint('y', 'Patient.name[0].family', 'http://example.org/p|1.0#Patient.name'), one);
    assert.notEqual(fingerprint('x', 'Patient.name[0].given', 'http://example.org/p|1.0#Patient.name'), one);
    assert.match(one, /^[0-9a-f]{16}$/);
  });
});

describe('assertProfilesUsable', () => {
  const sound = profile('sound', [{ path: 'Patient.name', min: 1 }]);
  const orphan = profile('orphan', [{ path: 'Patient' }], { baseDefinition: 'http://example.org/nowhere' });
  const set = packages.with([sound, orphan]);

  test('accepts what is there with all its bases', () => {
    assert.doesNotThrow(() => assertProfilesUsable(set, [sound.url, 'http://hl7.org/fhir/StructureDefinition/bp']));
  });

  for (const name of [orphan.url, 'http://example.org/nothing'])
    test(`refuses ${name}`, () => {
      assert.throws(
        () => assertProfilesUsable(set, [name]),
        (error) => error instanceof PackageError && error.code === 'unusable',
      );
    });
});
