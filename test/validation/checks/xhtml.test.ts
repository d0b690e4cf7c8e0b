import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { scanXhtml } from '../../../src/validation/checks/xhtml.ts';

const div = (inner: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inner}</div>`;

describe('the XHTML of narratives', () => {
  const accepted: readonly string[] = [
    div('text'),
    div('<p id="a" style="color: red">x <b>y</b><br/></p>'),
    div('<table border="1"><thead><tr><th>x</th></tr></thead><tbody><tr><td colspan="2">y</td></tr></tbody></table>'),
    div('<ul>\n<li>x</li>&#9;<li>y</li></ul><dl><dt>x</dt><dd>y</dd></dl>'),
    div('a &lt; b &amp; c &#160; &#xA0;'),
    div('<img src="a.png" alt="x"/>'),
    div('<!-- note --><a href="http://example.org/?a=1&amp;b=2">x</a>'),
    `<?xml version="1.0"?>${div('x')}`,
    div("<p title='a<b'>x</p>"),
  ];
  for (const text of accepted) {
    test(`lets ${text.slice(0, 70)} in`, () => {
      const scan = scanXhtml(text);
      assert.deepEqual(scan.problems, []);
      assert.equal(scan.hasContent, true);
    });
  }

  const refused: readonly (readonly [string, string])[] = [
    ['plain text', 'syntax'],
    ['', 'syntax'],
    [div('<p>x'), 'syntax'],
    [div('<b><i>x</b></i>'), 'syntax'],
    [div('<p>x</p >'), 'syntax'],
    [div('a & b'), 'syntax'],
    [div('<a href="x?a&b">y</a>'), 'syntax'],
    [div('<!-- open'), 'syntax'],
    [div('x').slice(0, -6), 'syntax'],
    [div('a&nbsp;b'), 'entity'],
    [div('<script>x</script>'), 'element'],
    [div('<P>x</P>'), 'element'],
    [div('<form/>'), 'element'],
    [div('<p onclick="x">y</p>'), 'attribute'],
    [div('<p hidden>y</p>'), 'attribute'],
    [div('<span name="x">y</span>'), 'attribute'],
    ['<div>x</div>', 'namespace'],
    ['<div xmlns="http://www.w3.org/1999/html">x</div>', 'namespace'],
    [div('<p xmlns="urn:x">x</p>'), 'namespace'],
    ['<span xmlns="http://www.w3.org/1999/xhtml">x</span>', 'root'],
    [div('<p>a<p>b</p></p>'), 'structure'],
    [div('<b><div>x</div></b>'), 'structure'],
    [div('<ul>x</ul>'), 'structure'],
    [div('<li>x</li>'), 'structure'],
    [div('<a href="#"><a href="#">x</a></a>'), 'structure'],
    [div('<br>x</br>'), 'structure'],
    [div('<a href="javascript:alert(1)">x</a>'), 'active-link'],
    [div('<a href=" JavaScript:alert(1)">x</a>'), 'active-link'],
    [div('<img src="vbscript:x"/>'), 'active-link'],
    [div('<a href="">x</a>'), 'empty-link'],
    [div('<a href="http://x y">x</a>'), 'bad-link'],
  ];
  for (const [text, kind] of refused) {
    test(`refuses ${JSON.stringify(text.slice(0, 90))} for its ${kind}`, () => {
      assert.equal(scanXhtml(text).problems[0]?.kind, kind);
    });
  }

  test('sees where nothing is said', () => {
    for (const inner of ['', '  ', '<!-- x -->', '<p></p>', '<![CDATA[x]]>', '&#10;'])
      assert.equal(scanXhtml(div(inner)).hasContent, false, inner);
  });

  test('collects anchors and the links to them', () => {
    const scan = scanXhtml(div('<a href="#b">x</a><p id="a">y</p><a name="b">z</a>'));
    assert.deepEqual([scan.anchors, scan.fragments], [['a', 'b'], ['b']]);
  });

  test('ends soon and with few findings on hostile texts', () => {
    const start = performance.now();
    const texts = [
      '<b>'.repeat(200_000),
      '<'.repeat(500_000),
      div('&#9;'.repeat(200_000) + 'x'),
      div('<u>'.repeat(50) + '</u>'.repeat(50)),
      `<div ${'a '.repeat(200_000)}`,
    ];
    for (const text of texts) assert.ok(scanXhtml(text).problems.length <= 20);
    assert.ok(performance.now() - start < 3000);
  });

  test('never throws, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('<', '>', '/', 'div', 'p', ' ', '"', "'", '=', '&', ';', '#', '!--', '-->', 'a', '\ud800'),
        ),
        (parts) => {
          scanXhtml(parts.join(''));
        },
      ),
    );
  });
});
