import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { checkQuestionnaire } from '../../../src/validation/checks/questionnaire.ts';
import { checkQuestionnaireResponse } from '../../../src/validation/checks/questionnaire-response.ts';
import type { PackageScope } from '../../../src/validation/packages/definitions.ts';
import { loadPackages } from '../../../src/validation/packages/load-packages.ts';
import { findingsOf } from '../../support/checks.ts';

type Json = Record<string, unknown>;

const extension = (name: string, value: Json): Json => ({
  url: `http://hl7.org/fhir/StructureDefinition/${name}`,
  ...value,
});
const item = (linkId: string, type: string, more: Json = {}): Json => ({ linkId, type, ...more });
const text = (linkId: string, more: Json = {}): Json => item(linkId, 'string', more);
const group = (linkId: string, items: readonly Json[], more: Json = {}): Json =>
  item(linkId, 'group', { item: items, ...more });
const answer = (linkId: string, ...values: readonly Json[]): Json => ({ linkId, answer: values });
const said = (linkId: string, ...values: readonly string[]): Json =>
  answer(linkId, ...values.map((valueString) => ({ valueString })));

let scope: PackageScope;

/** Findings on a response to a contained questionnaire. */
function respond(questions: readonly Json[], answers: readonly Json[], more: Json = {}): string[] {
  const questionnaire = {
    resourceType: 'Questionnaire',
    id: 'q',
    item: questions,
    ...(more['contained'] as object | undefined),
  };
  const response = {
    resourceType: 'QuestionnaireResponse',
    questionnaire: '#q',
    contained: [questionnaire],
    status: 'completed',
    item: answers,
    ...more,
  };
  return findingsOf(checkQuestionnaireResponse, { ...response, contained: [questionnaire] }, { scope });
}

describe('a response to a questionnaire', () => {
  before(async () => {
    scope = (await loadPackages()).root;
  });

  const coding = (code: string, system: string | undefined = 'http://test.example/s'): Json => ({
    valueCoding: { ...(system !== undefined && { system }), code },
  });
  const choice = item('a', 'choice', { answerOption: [coding('x'), coding('y')] });
  const gender = item('a', 'choice', { answerValueSet: 'http://hl7.org/fhir/ValueSet/administrative-gender' });
  const male = (code: string): Json => coding(code, 'http://hl7.org/fhir/administrative-gender');
  const when = (operator: string, expected: Json, more: Json = {}): Json[] => [
    item('q', 'boolean'),
    text('a', { enableWhen: [{ question: 'q', operator, ...expected }], ...more }),
  ];
  const yes = answer('q', { valueBoolean: true });
  const no = answer('q', { valueBoolean: false });
  const dated = (least: Json, most: Json): Json =>
    item('a', 'date', { extension: [extension('minValue', least), extension('maxValue', most)] });
  const limits = item('a', 'integer', {
    extension: [extension('minValue', { valueInteger: 2 }), extension('maxValue', { valueInteger: 4 })],
  });
  const kilo = { system: 'http://unitsofmeasure.org', code: 'kg' };
  const least = {
    url: 'http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-minQuantity',
    valueQuantity: { value: 10, ...kilo },
  };
  const weight = item('a', 'quantity', { extension: [least] });

  const cases: readonly (readonly [string, readonly Json[], readonly Json[], readonly string[]])[] = [
    ['an answer that fits', [text('a')], [said('a', 'x')], []],
    ['a required answer that is missing', [text('a', { required: true })], [], ['questionnaire-answer-missing']],
    [
      'a required item without answer',
      [text('a', { required: true })],
      [{ linkId: 'a' }],
      ['questionnaire-answer-missing@.item[0]'],
    ],
    ['a required group that is missing', [group('g', [], { required: true })], [], ['questionnaire-answer-missing']],
    [
      'a required group without items',
      [group('g', [text('a')], { required: true })],
      [{ linkId: 'g' }],
      ['questionnaire-group-empty@.item[0]'],
    ],
    ['something required in a group that is not there', [group('g', [text('a', { required: true })])], [], []],
    [
      'something required in a group that is there',
      [group('g', [text('a', { required: true })])],
      [{ linkId: 'g' }],
      ['questionnaire-answer-missing@.item[0]'],
    ],
    [
      'something required below an answer',
      [text('a', { item: [text('b', { required: true })] })],
      [said('a', 'x')],
      ['questionnaire-answer-missing@.item[0]'],
    ],
    ['answers of a group', [group('g', [])], [said('g', 'x')], ['questionnaire-group-answer@.item[0]']],
    ['answers of a display', [item('d', 'display')], [said('d', 'x')], ['questionnaire-display-answer@.item[0]']],
    ['items out of order', [text('a'), text('b')], [said('b', 'x'), said('a', 'x')], ['questionnaire-item-order']],
    ['an item that does not repeat', [text('a')], [said('a', 'x'), said('a', 'y')], ['questionnaire-item-repeated']],
    ['an item that repeats', [text('a', { repeats: true })], [said('a', 'x'), said('a', 'y')], []],
    [
      'two answers where one is allowed',
      [text('a')],
      [said('a', 'x', 'y')],
      ['questionnaire-answer-repeated@.item[0]'],
    ],
    ['an unknown item', [text('a')], [said('b', 'x')], ['questionnaire-item-unknown']],
    ['an item in the wrong place', [group('g', [text('a')])], [said('a', 'x')], ['questionnaire-item-misplaced']],
    ['an item without linkId', [text('a')], [{ answer: [] }], ['questionnaire-item-no-link-id']],
    [
      'another text',
      [text('a', { text: 'T' })],
      [{ ...said('a', 'x'), text: 'U' }],
      ['questionnaire-item-text@.item[0]'],
    ],
    [
      'items beside an answer',
      [text('a', { item: [text('b')] })],
      [{ ...said('a', 'x'), item: [said('b', 'y')] }],
      ['questionnaire-items-outside-answer@.item[0]'],
    ],
    [
      'items below an answer',
      [text('a', { item: [text('b')] })],
      [answer('a', { valueString: 'x', item: [said('b', 'y')] })],
      [],
    ],
    [
      'an answer of the wrong type',
      [text('a')],
      [answer('a', { valueInteger: 1 })],
      ['questionnaire-answer-type@.item[0].answer[0].value.ofType(integer)'],
    ],
    ['an option', [choice], [answer('a', coding('x'))], []],
    ['no option', [choice], [answer('a', coding('z'))], ['questionnaire-answer-option@.item[0].answer[0]']],
    ['a text for a choice of codes', [choice], [said('a', 'z')], ['questionnaire-answer-option@.item[0].answer[0]']],
    ['a text for an open choice', [{ ...choice, type: 'open-choice' }], [said('a', 'z')], []],
    [
      'an exclusive option and another',
      [
        {
          ...choice,
          repeats: true,
          answerOption: [
            coding('x'),
            { ...coding('y'), extension: [extension('questionnaire-optionExclusive', { valueBoolean: true })] },
          ],
        },
      ],
      [answer('a', coding('x'), coding('y'))],
      ['questionnaire-answer-exclusive@.item[0].answer[1]'],
    ],
    ['a code of the value set', [gender], [answer('a', male('male'))], []],
    [
      'a code that is not in the value set',
      [gender],
      [answer('a', male('m'))],
      ['questionnaire-answer-value-set@.item[0].answer[0]'],
    ],
    [
      "a display that is not the code's",
      [gender],
      [
        answer('a', {
          valueCoding: { system: 'http://hl7.org/fhir/administrative-gender', code: 'male', display: 'Lorry' },
        }),
      ],
      ['questionnaire-answer-display@.item[0].answer[0]'],
    ],
    [
      'a value set that is not here',
      [{ ...gender, answerValueSet: 'http://test.example/none' }],
      [answer('a', male('m'))],
      ['questionnaire-options-cannot-tell@.item[0].answer[0]'],
    ],
    ['an answer that its condition enables', when('=', { answerBoolean: true }), [yes, said('a', 'x')], []],
    [
      'an answer that its condition disables',
      when('=', { answerBoolean: true }),
      [no, said('a', 'x')],
      ['questionnaire-item-disabled@.item[1]'],
    ],
    ['a required answer that is disabled', when('=', { answerBoolean: true }, { required: true }), [no], []],
    [
      'a required answer that is enabled',
      when('=', { answerBoolean: true }, { required: true }),
      [yes],
      ['questionnaire-answer-missing'],
    ],
    [
      'a condition on there being an answer',
      when('exists', { answerBoolean: false }),
      [yes, said('a', 'x')],
      ['questionnaire-item-disabled@.item[1]'],
    ],
    ['a condition on no answer', when('exists', { answerBoolean: false }), [said('a', 'x')], []],
    [
      'too long an answer',
      [text('a', { maxLength: 2 })],
      [said('a', 'xyz')],
      ['questionnaire-answer-too-long@.item[0].answer[0].value.ofType(string)'],
    ],
    [
      'too short an answer',
      [text('a', { extension: [extension('minLength', { valueInteger: 4 })] })],
      [said('a', 'xyz')],
      ['questionnaire-answer-too-short@.item[0].answer[0].value.ofType(string)'],
    ],
    [
      'an answer of another format',
      [text('a', { extension: [extension('regex', { valueString: '[0-9]+' })] })],
      [said('a', '12x')],
      ['questionnaire-answer-format@.item[0].answer[0].value.ofType(string)'],
    ],
    [
      'a number below the minimum',
      [limits],
      [answer('a', { valueInteger: 1 })],
      ['questionnaire-answer-below-minimum@.item[0].answer[0].value.ofType(integer)'],
    ],
    [
      'a number above the maximum',
      [limits],
      [answer('a', { valueInteger: 5 })],
      ['questionnaire-answer-above-maximum@.item[0].answer[0].value.ofType(integer)'],
    ],
    [
      'a date before the earliest',
      [dated({ valueDate: '2020' }, { valueDate: '2022' })],
      [answer('a', { valueDate: '1998' })],
      ['questionnaire-answer-below-minimum@.item[0].answer[0].value.ofType(date)'],
    ],
    [
      'too many decimals',
      [item('a', 'decimal', { extension: [extension('maxDecimalPlaces', { valueInteger: 2 })] })],
      [answer('a', { valueDecimal: 1.666 })],
      ['questionnaire-answer-decimals@.item[0].answer[0].value.ofType(decimal)'],
    ],
    [
      'too many answers',
      [text('a', { repeats: true, extension: [extension('questionnaire-maxOccurs', { valueInteger: 1 })] })],
      [said('a', 'x', 'y')],
      ['questionnaire-answers-maximum@.item[0]'],
    ],
    [
      'too few answers',
      [text('a', { repeats: true, extension: [extension('questionnaire-minOccurs', { valueInteger: 2 })] })],
      [said('a', 'x')],
      ['questionnaire-answers-minimum@.item[0]'],
    ],
    [
      'a quantity below the least',
      [weight],
      [answer('a', { valueQuantity: { value: 500, ...kilo, code: 'g' } })],
      ['questionnaire-answer-below-minimum@.item[0].answer[0].value.ofType(Quantity)'],
    ],
    [
      'a quantity that cannot be compared',
      [weight],
      [answer('a', { valueQuantity: { value: 500 } })],
      ['questionnaire-quantity-incomparable@.item[0].answer[0].value.ofType(Quantity)'],
    ],
    [
      'an attachment of another type',
      [item('a', 'attachment', { extension: [extension('mimeType', { valueCode: 'image/*' })] })],
      [answer('a', { valueAttachment: { contentType: 'text/plain' } })],
      ['questionnaire-attachment-type@.item[0].answer[0]'],
    ],
    [
      'too large an attachment',
      [item('a', 'attachment', { extension: [extension('maxSize', { valueDecimal: 2 })] })],
      [answer('a', { valueAttachment: { data: 'AAAA' } })],
      ['questionnaire-attachment-size@.item[0].answer[0]'],
    ],
    [
      'a reference to another type',
      [item('a', 'reference', { extension: [extension('questionnaire-referenceResource', { valueCode: 'Patient' })] })],
      [answer('a', { valueReference: { reference: 'Organization/1' } })],
      ['questionnaire-reference-type@.item[0].answer[0].value.ofType(Reference)'],
    ],
  ];
  for (const [name, questions, answers, expected] of cases) {
    test(`is judged on ${name}`, () => assert.deepEqual(respond(questions, answers), expected));
  }

  test('may still lack answers while it is in progress', () => {
    assert.deepEqual(respond([text('a', { required: true })], [], { status: 'in-progress' }), [
      'questionnaire-answer-missing-yet',
    ]);
  });

  test('needs one condition or all of them as the item says', () => {
    const both = [
      { question: 'q', operator: '=', answerBoolean: true },
      { question: 'q', operator: '=', answerBoolean: false },
    ];
    const questions = (enableBehavior: string): Json[] => [
      item('q', 'boolean'),
      text('a', { enableWhen: both, enableBehavior }),
    ];
    assert.deepEqual(respond(questions('any'), [no, said('a', 'x')]), []);
    assert.deepEqual(respond(questions('all'), [no, said('a', 'x')]), ['questionnaire-item-disabled@.item[1]']);
  });

  test('is not judged where its questionnaire is not here', () => {
    const found = (questionnaire: unknown): string[] =>
      findingsOf(
        checkQuestionnaireResponse,
        { resourceType: 'QuestionnaireResponse', status: 'completed', questionnaire },
        { scope },
      );
    assert.deepEqual(found('http://test.example/none'), ['questionnaire-cannot-tell']);
    assert.deepEqual(found(undefined), ['questionnaire-absent']);
    assert.deepEqual(found('http://hl7.org/fhir/ValueSet/administrative-gender'), [
      'canonical-target-type@.questionnaire',
      'questionnaire-cannot-tell',
    ]);
  });

  test('finds its questionnaire among loaded definitions, by version', async () => {
    const questionnaire = {
      resourceType: 'Questionnaire',
      url: 'http://test.example/q',
      version: '2',
      status: 'active',
      item: [text('a', { required: true })],
    };
    const loaded = (await loadPackages()).with([questionnaire]).root;
    const found = (canonical: string): string[] =>
      findingsOf(checkQuestionnaireResponse, { status: 'completed', questionnaire: canonical }, { scope: loaded });
    assert.deepEqual(found('http://test.example/q|2'), ['questionnaire-answer-missing']);
    assert.deepEqual(found('http://test.example/q|1'), ['questionnaire-cannot-tell']);
  });

  test('does not make the check fail, whatever its shape', () => {
    const shapes: unknown[] = [
      null,
      'x',
      1,
      [],
      {},
      { item: 'x' },
      { item: [null, [], { linkId: 1, answer: [null, 'x'] }] },
    ];
    for (const questions of shapes) {
      for (const answers of shapes) {
        const list = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : [value as Json]);
        respond(list(questions), list(answers));
      }
    }
  });
});

describe('the conditions of a questionnaire', () => {
  const found = (...items: readonly Json[]): string[] =>
    findingsOf(checkQuestionnaire, { resourceType: 'Questionnaire', item: items });
  const on = (question: string): Json => ({ enableWhen: [{ question, operator: '=', answerString: 'x' }] });

  test('name an earlier question of it', () => {
    assert.deepEqual(found(text('a'), text('b', on('a'))), []);
    assert.deepEqual(found(text('a', on('z'))), ['questionnaire-enable-when-target@.item[0]']);
    assert.deepEqual(found(text('a', on('a'))), ['questionnaire-enable-when-self@.item[0]']);
    assert.deepEqual(found(group('g', [text('a')], on('a'))), ['questionnaire-enable-when-inner@.item[0]']);
    assert.deepEqual(found(text('a', on('b')), text('b')), ['questionnaire-enable-when-later@.item[0]']);
  });
});
