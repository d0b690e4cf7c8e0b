/** A scanner for the XHTML of narratives: what FHIR lets in (R4, narrative.html#xhtml), and what the text refers to. One pass, linear, no tree. */

export type XhtmlProblem =
  | { readonly kind: 'syntax'; readonly offset: number; readonly detail: string }
  | {
      readonly kind: 'entity' | 'element' | 'attribute' | 'namespace' | 'root' | 'structure';
      readonly offset: number;
      readonly detail: string;
    }
  | { readonly kind: 'active-link' | 'empty-link' | 'bad-link'; readonly offset: number; readonly detail: string };

export interface XhtmlScan {
  readonly problems: readonly XhtmlProblem[];
  /** Text that is not white space, or an image. */
  readonly hasContent: boolean;
  /** Values of `id`, and of `name` on `a`. */
  readonly anchors: readonly string[];
  /** Link targets inside the document, without `#`. */
  readonly fragments: readonly string[];
}

const namespace = 'http://www.w3.org/1999/xhtml';
const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

const inline = 'a b em i strong small big tt dfn q var abbr acronym cite bdo kbd sub sup code samp';
const elements = words(
  `p br div h1 h2 h3 h4 h5 h6 span blockquote hr address ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td img map area ${inline}`,
);
const attributes = words(
  'title style class id lang xml:lang dir accesskey tabindex span width align valign char charoff abbr axis headers scope rowspan colspan xml:space',
);
const elementAttributes = words(
  'a.href a.name a.charset a.type a.hreflang a.rel a.rev a.shape a.coords img.src img.border img.alt img.longdesc img.height img.width img.usemap ' +
    'img.ismap blockquote.cite q.cite map.name area.shape area.coords area.href area.nohref area.alt table.summary table.border ' +
    'table.frame table.rules table.cellspacing table.cellpadding td.nowrap',
);
/** Blocks that a paragraph cannot hold, at whatever depth. */
const notInParagraph = words('p div blockquote table ol ul');
/** What headings, inline elements and the like cannot hold, at whatever depth. */
const blocks = words('div pre table ul ol');
const holdsNoBlocks = words(`p h1 h2 h3 h4 h5 h6 span address pre dt dd caption ${inline}`);
const notInItself = words(inline);
const noChildren = words('br hr img area');
const childrenOf: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['ul', words('li')],
  ['ol', words('li')],
  ['dl', words('dt dd')],
  ['table', words('tbody tr caption thead tfoot col colgroup')],
  ['thead', words('tr')],
  ['tbody', words('tr')],
  ['tfoot', words('tr')],
  ['tr', words('td th')],
  ['map', words('area')],
]);
const parentsOf: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['li', words('ul ol')],
  ['dt', words('dl')],
  ['dd', words('dl')],
  ['caption', words('table')],
  ['colgroup', words('table')],
  ['col', words('table colgroup')],
  ['thead', words('table')],
  ['tbody', words('table')],
  ['tfoot', words('table')],
  ['tr', words('table thead tbody tfoot')],
  ['th', words('tr thead tfoot')],
  ['td', words('tr thead tfoot')],
]);
const entities = words('amp lt gt quot apos');
/** Deeper nesting is refused, so that checking ancestors stays cheap. */
const maximumDepth = 100;
const maximumProblems = 20;

const name = /[A-Za-z_][A-Za-z0-9_.:-]*/y;
const attribute = /\s*([^\s=/>"'<]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/y;
/** White space, also written as character references. */
const blankReference = /&#(?:9|10|13|32|x(?:9|a|d|20));/iy;
const entity = /&(#x?[0-9A-Za-z]*|[A-Za-z0-9]*);?/y;

/** Whether a problem is against `htmlChecks()` of txt-1; the others are against XML or what links may do. */
export function breaksHtmlRules({ kind }: XhtmlProblem): boolean {
  return kind === 'element' || kind === 'attribute' || kind === 'syntax';
}

export function scanXhtml(text: string): XhtmlScan {
  const scanner = new Scanner(text);
  scanner.scan();
  return scanner;
}

function isBlank(text: string, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const unit = text.charCodeAt(at);
    if (unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09) at++;
    else if (unit === 0x26) {
      blankReference.lastIndex = at;
      if (!blankReference.test(text)) return false;
      at = blankReference.lastIndex;
    } else return false;
  }
  return true;
}

class Scanner implements XhtmlScan {
  readonly problems: XhtmlProblem[] = [];
  readonly anchors: string[] = [];
  readonly fragments: string[] = [];
  hasContent = false;
  private readonly text: string;
  private readonly open: string[] = [];
  private at = 0;
  /** Set by a fault after which nothing can be trusted. */
  private broken = false;

  constructor(text: string) {
    this.text = text;
  }

  scan(): void {
    const { text } = this;
    this.at = text.search(/\S|$/);
    if (text.charAt(this.at) !== '<') {
      this.fail('does not start with a tag');
      return;
    }
    let seenRoot = false;
    while (this.at < text.length && !this.broken) {
      // Only the first element is the narrative; what follows it is never shown.
      if (seenRoot && this.open.length === 0) return;
      const next = text.indexOf('<', this.at);
      if (next < 0) break;
      if (next > this.at) this.characters(this.at, next);
      this.at = next;
      this.markup();
      seenRoot ||= this.open.length > 0 || this.problems.length > 0 || this.closedRoot;
    }
    if (!this.broken && (this.open.length > 0 || !this.closedRoot)) this.fail('an element is not closed');
  }

  private closedRoot = false;

  private fail(detail: string): void {
    this.broken = true;
    // What was collected before a fault does not count: the text as a whole is not XHTML.
    this.hasContent = false;
    this.problems.length = 0;
    this.problems.push({ kind: 'syntax', offset: this.at, detail });
  }

  private problem(kind: Exclude<XhtmlProblem['kind'], 'syntax'>, detail: string): void {
    if (this.problems.length < maximumProblems) this.problems.push({ kind, offset: this.at, detail });
  }

  private characters(start: number, end: number): void {
    if (isBlank(this.text, start, end)) return;
    const part = this.text.slice(start, end);
    if (this.open.length === 0) return;
    this.hasContent = true;
    const parent = this.open.at(-1) ?? '';
    if (childrenOf.has(parent) || noChildren.has(parent)) this.problem('structure', `text directly in ${parent}`);
    if (part.includes('&')) this.references(part);
  }

  private references(part: string): void {
    for (let at = part.indexOf('&'); at >= 0 && !this.broken; at = part.indexOf('&', at + 1)) {
      entity.lastIndex = at;
      const match = entity.exec(part);
      const body = match?.[1] ?? '';
      if (body.startsWith('#') && match?.[0].endsWith(';') === true) continue;
      if (match?.[0].endsWith(';') !== true || body === '') this.fail('an ampersand that begins no reference');
      else if (!entities.has(body)) this.problem('entity', `&${body};`);
    }
  }

  private markup(): void {
    const { text, at } = this;
    const second = text.charAt(at + 1);
    if (second === '/') this.closeTag();
    else if (second === '!' || second === '?') this.skipSpecial();
    else this.openTag();
  }

  private skipSpecial(): void {
    const { text, at } = this;
    const [opening, closing] = text.startsWith('<!--', at)
      ? ['<!--', '-->']
      : text.startsWith('<![CDATA[', at)
        ? ['<![CDATA[', ']]>']
        : text.startsWith('<?', at)
          ? ['<?', '?>']
          : ['<!', '>'];
    const end = text.indexOf(closing, at + opening.length);
    if (end < 0) this.fail(`${opening} is not closed`);
    else this.at = end + closing.length;
  }

  private closeTag(): void {
    const { text } = this;
    const expected = this.open.at(-1);
    if (expected === undefined || !text.startsWith(`</${expected}>`, this.at)) {
      this.fail(expected === undefined ? 'a closing tag too many' : `expected the end of ${expected}`);
      return;
    }
    this.at += expected.length + 3;
    this.open.pop();
    if (this.open.length === 0) this.closedRoot = true;
  }

  private openTag(): void {
    const { text } = this;
    name.lastIndex = this.at + 1;
    const tag = name.exec(text)?.[0];
    if (tag === undefined) {
      this.fail('a < that begins no tag');
      return;
    }
    if (this.open.length === 0) this.root(tag);
    else this.place(tag);
    const next = name.lastIndex;
    this.at = next;
    const declared = this.attributes(tag);
    if (this.broken) return;
    if (this.open.length === 0 && declared !== namespace) this.problem('namespace', declared ?? 'none');
    if (tag === 'img') this.hasContent = true;
    if (text.startsWith('/>', this.at)) {
      this.at += 2;
      if (this.open.length === 0) this.closedRoot = true;
      return;
    }
    this.at += 1;
    this.open.push(tag);
    if (this.open.length > maximumDepth) this.fail('nested too deeply');
  }

  private root(tag: string): void {
    if (tag !== 'div') this.problem('root', tag);
  }

  /** Where an element may stand. */
  private place(tag: string): void {
    const { open } = this;
    if (!elements.has(tag)) {
      this.problem('element', tag);
      return;
    }
    const parent = open.at(-1) ?? '';
    if (noChildren.has(parent)) this.problem('structure', `${tag} in ${parent}`);
    else if (childrenOf.get(parent)?.has(tag) === false || parentsOf.get(tag)?.has(parent) === false) {
      this.problem('structure', `${tag} directly in ${parent}`);
    } else if (notInParagraph.has(tag) && open.includes('p')) this.problem('structure', `${tag} in p`);
    else if (notInItself.has(tag) && open.includes(tag)) this.problem('structure', `${tag} in itself`);
    else if (blocks.has(tag)) {
      const holder = open.find((ancestor) => holdsNoBlocks.has(ancestor));
      if (holder !== undefined) this.problem('structure', `${tag} in ${holder}`);
    }
  }

  /** Reads attributes up to the end of the tag. @returns the value of `xmlns` */
  private attributes(tag: string): string | undefined {
    const { text } = this;
    let declared: string | undefined;
    for (;;) {
      attribute.lastIndex = this.at;
      const match = attribute.exec(text);
      if (match === null) break;
      this.at = attribute.lastIndex;
      const [, key = '', double, single, bare] = match;
      const value = double ?? single ?? bare;
      if (value?.includes('&') === true) this.references(value);
      if (this.broken) return undefined;
      if (key === 'xmlns') {
        declared = value;
        if (this.open.length > 0 && value !== namespace) this.problem('namespace', value ?? 'none');
      } else this.attribute(tag, key, value ?? '');
    }
    while (/\s/.test(text.charAt(this.at))) this.at++;
    if (text.charAt(this.at) !== '>' && !text.startsWith('/>', this.at)) this.fail(`the tag ${tag} does not end`);
    return declared;
  }

  private attribute(tag: string, key: string, value: string): void {
    if (!attributes.has(key) && !key.startsWith('xmlns') && !elementAttributes.has(`${tag}.${key}`)) {
      this.problem('attribute', `${key} on ${tag}`);
      return;
    }
    if (key === 'id' || (key === 'name' && tag === 'a')) this.anchors.push(value);
    else if (key === 'href') this.link(value, tag);
    else if (key === 'src') this.link(value, tag);
  }

  private link(value: string, tag: string): void {
    if (value.startsWith('#')) {
      if (value.length > 1 && tag === 'a') this.fragments.push(value.slice(1));
      return;
    }
    const scheme = /^\s*([A-Za-z][A-Za-z0-9+.-]*):/.exec(value)?.[1]?.toLowerCase();
    if (scheme === 'javascript' || scheme === 'vbscript') this.problem('active-link', scheme);
    else if (value === '') this.problem('empty-link', tag);
    else if (scheme === 'urn' && tag === 'a') this.problem('bad-link', 'urn is no scheme to follow');
    else if (/[\s<>]/.test(value) && scheme !== 'data') this.problem('bad-link', 'a character that no URL has');
  }
}
