import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { elementTree, type ElementNode } from '../../../src/validation/compile/element-tree.ts';

const node = (id: string, more: object = {}): object => {
  const last = id.slice(id.lastIndexOf('.') + 1);
  return {
    id,
    path: id.replaceAll(/:[^.]+/g, ''),
    ...(last.includes(':') && { sliceName: last.slice(last.indexOf(':') + 1) }),
    ...more,
  };
};

function outline(tree: ElementNode): string {
  const slices = tree.slices.map((slice) => `:${outline(slice)}`).join('');
  return `${tree.sliceName ?? tree.name}${tree.children.length === 0 ? '' : `(${tree.children.map(outline).join(' ')})`}${slices}`;
}

describe('an element tree', () => {
  test('hangs children under the element, slice or re-slice before them', () => {
    const tree = elementTree([
      node('A'),
      node('A.b', { slicing: { rules: 'closed', ordered: true, discriminator: [{ type: 'value', path: 'c' }] } }),
      node('A.b.c'),
      node('A.b:x'),
      node('A.b:x.c'),
      node('A.b:x/y'),
      node('A.b:x/y.c'),
      node('A.value[x]'),
      node('A.value[x]:valueString'),
      node('A.d'),
    ]);
    assert.equal(tree && outline(tree), 'A(b(c):x(c):x/y(c) value[x]:valueString d)');
    assert.deepEqual(tree?.children[0]?.slicing, {
      rules: 'closed',
      ordered: true,
      discriminators: [{ type: 'value', path: 'c' }],
    });
  });

  test('narrows every field of an untrusted definition', () => {
    const tree = elementTree([
      node('A', {
        min: 'x',
        max: '-1',
        type: 'string',
        constraint: [1, { key: 3 }, { key: 'k', severity: 'odd', expression: 7 }],
        binding: [],
        fixedCode: 'c',
        maxLength: '9',
      }),
      { path: 5 },
      null,
      'text',
      node('A.b', { contentReference: 'http://x#A', patternHumanName: { family: 'f' }, min: 1, max: '*' }),
    ]);
    assert.equal(tree?.min, 0);
    assert.equal(tree?.max, Infinity);
    assert.deepEqual(tree?.types, []);
    assert.deepEqual(
      tree?.constraints.map(({ key, expression }) => [key, expression]),
      [['k', undefined]],
    );
    assert.deepEqual(tree?.fixed, { type: 'Code', value: 'c' });
    assert.equal(tree?.maxLength, undefined);
    const [child] = tree?.children ?? [];
    assert.equal(child?.contentReference, 'A');
    assert.deepEqual(child?.pattern, { type: 'HumanName', value: { family: 'f' } });
  });

  test('is made of any list without a throw, and is none where the root is missing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.jsonValue(), fc.record({ path: fc.string(), id: fc.string(), sliceName: fc.string() }))),
        (elements) => {
          elementTree(elements);
        },
      ),
    );
    assert.equal(elementTree([]), undefined);
    assert.equal(elementTree([node('A.b')]), undefined);
  });
});
