import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Rule } from '../../src/validation/checks/report.ts';
import { createPolicy } from '../../src/validation/policy.ts';
import type { SeverityOverride } from '../../src/validation/policy.ts';

const rule = (id: string, severity: Rule['severity'] = 'error'): Rule => ({ id, severity, code: 'invalid', text: '' });
const override = (more: Partial<SeverityOverride>): SeverityOverride => ({
  severity: 'warning',
  reason: 'test',
  ...more,
});

describe('createPolicy', () => {
  test('hl7 leaves severities as the checks state them', () => {
    assert.equal(createPolicy('hl7').severityOf(rule('extension-unknown'), 'Patient'), 'error');
    assert.equal(createPolicy('hl7').severityOf(rule('x', 'warning'), 'Patient'), 'warning');
  });

  test('gateway takes strictness for what it is', () => {
    const policy = createPolicy('gateway');
    for (const id of ['extension-unknown', 'display-wrong', 'url-unresolved'])
      assert.equal(policy.severityOf(rule(id), 'Patient'), 'warning', id);
    assert.equal(policy.severityOf(rule('cardinality-minimum'), 'Patient'), 'error');
  });

  test('gateway refuses unknown extensions that modify', () => {
    const policy = createPolicy('gateway');
    assert.equal(policy.severityOf(rule('extension-unknown'), 'Patient.modifierExtension[0]'), 'error');
    assert.equal(policy.severityOf(rule('extension-unknown'), 'Patient.extension[0]'), 'warning');
  });

  test('gateway does not show what was found, hl7 does', () => {
    assert.deepEqual([createPolicy('gateway').showFound, createPolicy('hl7').showFound], [false, true]);
  });

  test('an override holds by issue and by element, indexes left out', () => {
    const policy = createPolicy('hl7', {
      overrides: [override({ issue: 'invariant:us-core-*', expression: 'Patient.name*' })],
    });
    assert.equal(policy.severityOf(rule('invariant:us-core-6'), 'Patient.name[2].family'), 'warning');
    assert.equal(policy.severityOf(rule('invariant:us-core-6'), 'Patient.telecom[0]'), 'error');
    assert.equal(policy.severityOf(rule('invariant:ele-1'), 'Patient.name[2]'), 'error');
  });

  test('an override ends after its last day', () => {
    const overrides = [override({ issue: 'x', expires: '2026-05-01' })];
    assert.equal(createPolicy('hl7', { overrides, today: '2026-05-01' }).severityOf(rule('x'), ''), 'warning');
    assert.equal(createPolicy('hl7', { overrides, today: '2026-05-02' }).severityOf(rule('x'), ''), 'error');
  });

  test('what cannot be told can be made more of, and what is ignored is not reported', () => {
    const policy = createPolicy('hl7', {
      cannotTell: 'error',
      overrides: [override({ issue: 'noise', severity: 'ignore' })],
    });
    assert.equal(policy.severityOf(rule('binding-cannot-tell', 'warning'), ''), 'error');
    assert.equal(policy.severityOf(rule('noise'), ''), undefined);
  });
});
