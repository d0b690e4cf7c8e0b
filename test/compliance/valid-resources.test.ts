import { before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { loadPackages } from '../../src/validation/packages/load-packages.ts';
import { createValidatorFor } from '../../src/validation/validator-factory.ts';
import type { Validator } from '../../src/validation/validator.ts';
import { openCompliance, view } from '../support/compliance.ts';
import { makeCaller, makeEntity, openProvenance, record, recordCreate } from '../support/provenance.ts';

describe('what is shown of records', () => {
  let validator: Validator;
  before(async () => {
    validator = createValidatorFor({ packages: await loadPackages(), policy: 'hl7' });
  });

  test('is valid FHIR R4, as strictly as the hl7 policy is', async (t) => {
    const provenance = openProvenance(t);
    const { recorder } = provenance;
    const { compliance } = openCompliance(provenance);
    await recordCreate(recorder, { altered: true, profiles: ['http://example.org/profile'] });
    await recordCreate(recorder, { id: 'o5', patients: ['p2'] });
    await record(
      recorder,
      { parameters: 'name=x', interaction: 'search-type' },
      { entities: [makeEntity({ id: undefined })] },
    );
    await record(
      recorder,
      {
        kind: 'denied',
        resourceType: 'Patient',
        resourceId: 'p9',
        caller: makeCaller({ purpose: 'in words', patient: 'p9', user: undefined }),
      },
      {
        status: 403,
        outcome: '4',
        entities: [],
        issues: [{ severity: 'error', code: 'forbidden', expression: undefined, id: undefined }],
      },
    );
    await record(recorder, { kind: 'checked', resourceType: 'AuditEvent', upstream: undefined }, { entities: [] });
    await record(recorder, { interaction: 'delete', kind: 'retracted' }, { outcome: 'unknown', status: 504 });
    const request = { upstream: 'ehr', patient: 'p1', caller: makeCaller(), requestId: 'r', ground: undefined };
    const { parameters } = await compliance.erasePatient(request);
    const verified = await compliance.verifyVersion({ upstream: 'ehr', type: 'Observation', id: 'o5', versionId: '1' });
    const audit = await compliance.searchAuditEvents('', view);
    const provenances = await compliance.searchProvenance('', view);
    assert.deepEqual([audit.total, audit.entry?.length, provenances.total, provenances.entry?.length], [7, 7, 1, 1]);
    for (const resource of [audit, provenances, parameters, verified]) {
      const report = await validator.validate({ text: JSON.stringify(resource), policy: 'hl7' });
      const errors = report.issues.filter(({ severity }) => severity === 'error' || severity === 'fatal');
      assert.deepEqual(
        errors.map(({ id, expression }) => `${id} ${expression}`),
        [],
      );
    }
  });
});
