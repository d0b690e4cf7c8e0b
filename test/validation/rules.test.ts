import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { carriedPackagesDirectory } from '../../src/validation/packages/load-packages.ts';
import { RuleSetError } from '../../src/validation/rules-error.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import type { RuleSetModel } from '../../src/validation/rules-parse.ts';
import { createRuleSet, requiredProfiles, ruleSetDigest, severityOverrides } from '../../src/validation/rules.ts';
import type { RuleQuery } from '../../src/validation/rules.ts';

const parse = (text: string): RuleSetModel => parseRules(parseYaml(text));
const query: RuleQuery = { direction: 'push', resourceType: 'Patient', upstream: 'a', client: 'c', profiles: [] };

const example = `
name: example
default: { push: annotate, pull: off }
rules:
  - name: patients
    direction: push
    types: [Patient]
    upstreams: [a]
    clients: [c]
    mode: reject
    required: ['http://example.org/p']
    requireDeclared: true
  - name: declared
    declares: ['http://example.org/*']
    mode: observe
    allowed: ['http://example.org/*']
    forbidden: ['http://example.org/old']
severity:
  - issue: display-wrong
    expression: Patient.*
    severity: ignore
    reason: agreed in May
    expires: 2027-01-01
`;

describe('parseRules', () => {
  test('gives every problem at once, with its line', () => {
    const text =
      'policy: strict\nrules:\n  - mode: maybe\n    types: [patient]\n    surprise: 1\n  - name: x\n    mode: reject\n  - name: x\n    mode: reject\nseverity:\n  - severity: loud\n';
    assert.throws(
      () => parse(text),
      (error) => {
        assert.ok(error instanceof RuleSetError);
        assert.deepEqual(error.problems.map(({ path }) => path).sort(), [
          'name',
          'policy',
          'rules[0].mode',
          'rules[0].mode',
          'rules[0].name',
          'rules[0].surprise',
          'rules[0].types[0]',
          'rules[2].name',
          'severity[0].issue',
          'severity[0].reason',
          'severity[0].severity',
          'severity[0].severity',
        ]);
        assert.ok(error.problems.every(({ line }) => line !== undefined));
        return true;
      },
    );
  });

  for (const text of ['[]', 'name', 'a: [', '*x', ''])
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parse(text), RuleSetError));

  test('takes any text without failing but with its own error', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parse(text);
        } catch (error) {
          assert.ok(error instanceof RuleSetError);
        }
      }),
    );
  });

  for (const file of readdirSync(join(carriedPackagesDirectory, 'rules')))
    test(`the carried rule set ${file} is sound`, () => {
      assert.doesNotThrow(() => parse(readFileSync(join(carriedPackagesDirectory, 'rules', file), 'utf8')));
    });
});

describe('createRuleSet', () => {
  const rules = createRuleSet(parse(example));

  test('the first rule that matches decides', () => {
    const decision = rules.decide({ ...query, profiles: ['http://example.org/p'] });
    assert.deepEqual(decision, { mode: 'reject', required: ['http://example.org/p'], rule: 'patients' });
  });

  test('each condition of a rule must hold', () => {
    for (const other of [{ resourceType: 'Device' }, { upstream: 'b' }, { client: 'd' }])
      assert.equal(rules.decide({ ...query, ...other }).rule, 'default of example');
    assert.equal(rules.decide({ ...query, direction: 'pull' }).mode, 'off');
  });

  test('asks for required profiles to be declared where it says so', () => {
    const decision = rules.decide(query);
    assert.deepEqual(
      decision.issues?.map(({ id, expression }) => [id, expression]),
      [['profile-not-declared', 'Patient.meta.profile']],
    );
    assert.equal(rules.decide({ ...query, profiles: ['http://example.org/p|2.0'] }).issues, undefined);
  });

  test('names profiles that are forbidden or not allowed', () => {
    const ask = (profiles: string[]): (string | undefined)[] =>
      (rules.decide({ ...query, resourceType: 'Device', profiles }).issues ?? []).map(({ id }) => id);
    assert.deepEqual(ask(['http://example.org/new']), []);
    assert.deepEqual(ask(['http://example.org/old']), ['profile-forbidden']);
    assert.deepEqual(ask(['http://example.org/new', 'http://elsewhere.org/x']), ['profile-not-allowed']);
  });

  test('a local rule set tightens and never loosens', () => {
    const model = fc.record({
      push: fc.constantFrom('off', 'observe', 'annotate', 'reject'),
      pull: fc.constantFrom('off', 'reject'),
    });
    const order = ['off', 'observe', 'annotate', 'reject'];
    fc.assert(
      fc.property(model, model, fc.constantFrom('push' as const, 'pull' as const), (agreed, own, direction) => {
        const shared = parse(`name: shared\ndefault: ${JSON.stringify(agreed)}`);
        const local = parse(`name: local\ndefault: ${JSON.stringify(own)}`);
        const mode = createRuleSet(shared, local).decide({ ...query, direction }).mode;
        assert.equal(order.indexOf(mode), Math.max(order.indexOf(agreed[direction]), order.indexOf(own[direction])));
      }),
    );
    const severities = severityOverrides(
      parse('name: a'),
      parse(
        'name: b\nseverity:\n  - { issue: x, severity: ignore, reason: r }\n  - { issue: y, severity: error, reason: r }',
      ),
    );
    assert.deepEqual(
      severities.map(({ issue }) => issue),
      ['y'],
    );
  });

  test('is named by a digest that layout and comments do not change', () => {
    const again = `# the same\n${example.replace('name: example', 'name:   example')}`;
    assert.equal(ruleSetDigest(parse(again)), rules.digest);
    assert.notEqual(ruleSetDigest(parse(example.replace('mode: observe', 'mode: reject'))), rules.digest);
    assert.match(rules.digest, /^[0-9a-f]{64}$/);
  });

  test('names each required profile once', () => {
    assert.deepEqual(requiredProfiles(parse(example), parse(example), undefined), ['http://example.org/p']);
  });
});
