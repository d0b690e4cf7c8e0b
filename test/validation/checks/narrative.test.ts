import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkNarrative } from '../../../src/validation/checks/narrative.ts';
import { checkTextLinks } from '../../../src/validation/checks/text-link.ts';
import { findingsOf } from '../../support/checks.ts';

const div = (inner: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`;
const link = div('<a href="#x">y</a>');

describe('a narrative', () => {
  test('that is fine has no findings', () => {
    assert.deepEqual(findingsOf(checkNarrative, div('x')), []);
  });

  test('with a forbidden element breaks txt-1 as well', () => {
    assert.deepEqual(findingsOf(checkNarrative, div('<u>x</u>')), ['narrative-element', 'invariant:txt-1']);
  });

  test('that is no XHTML has neither the right content nor any', () => {
    assert.deepEqual(findingsOf(checkNarrative, 'x'), ['narrative-not-xhtml', 'invariant:txt-1', 'invariant:txt-2']);
  });

  test('without content breaks txt-2', () => {
    assert.deepEqual(findingsOf(checkNarrative, div(' ')), ['invariant:txt-2']);
  });

  test('may link to ids, anchors and contained resources, anywhere in the document', () => {
    const resource = (more: object): { text: object; [key: string]: unknown } => ({ text: { div: link }, ...more });
    const found = (root: Record<string, unknown>): string[] => findingsOf(checkNarrative, link, { root });
    assert.deepEqual(found(resource({})), ['narrative-link-unresolved']);
    assert.deepEqual(found(resource({ id: 'x' })), ['narrative-link-unresolved']);
    assert.deepEqual(found(resource({ contained: [{ id: 'x' }] })), []);
    assert.deepEqual(found({ entry: [{ resource: { text: { div: div('<p id="x">z</p>') } } }] }), []);
  });

  test('tells each kind of problem once', () => {
    assert.deepEqual(findingsOf(checkNarrative, div('<u>x</u>'.repeat(5))), ['narrative-element', 'invariant:txt-1']);
  });
});

describe('the text links of a narrative', () => {
  const linked = (htmlid: string, data: string): object => ({
    div: div('<p id="a">x</p>'),
    extension: [
      {
        url: 'http://hl7.org/fhir/StructureDefinition/textLink',
        extension: [
          { url: 'htmlid', valueString: htmlid },
          { url: 'data', valueUri: data },
        ],
      },
    ],
  });
  const root = { resourceType: 'Patient', name: [{ id: 'n' }] };

  test('join what is there', () => {
    assert.deepEqual(findingsOf(checkTextLinks, linked('a', '#n'), { root }), []);
    assert.deepEqual(findingsOf(checkTextLinks, linked('a', 'http://example.org'), { root }), []);
  });

  test('do not lead to nothing', () => {
    assert.deepEqual(findingsOf(checkTextLinks, linked('b', '#m'), { root }), ['text-link-source', 'text-link-target']);
  });
});
