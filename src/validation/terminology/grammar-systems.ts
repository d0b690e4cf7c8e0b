import type { Answer } from './answers.ts';
import type { ConceptFilter } from './concept-filter.ts';

/** Systems whose codes follow a grammar or a registry instead of a CodeSystem resource. */
export interface GrammarSystem {
  test(code: string): Answer;
  /** `no` for a display that is surely another code's; undefined where displays are not known. */
  display?(code: string, display: string): Answer;
  /** For the filters that value sets put on it; undefined where a filter is not understood. */
  filter?(filter: ConceptFilter): ((code: string) => boolean) | undefined;
}

const mimeType =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9*][A-Za-z0-9!#$&^_.+*-]{0,126}(?:\s*;\s*[^;=\s]{1,127}=(?:"[^"]{0,200}"|[^";]{0,200}))*$/;

/** FHIR's own short names of its formats, which stand for their MIME types (http://hl7.org/fhir/R4/http.html#parameters). */
const formatNames: ReadonlySet<string> = new Set(['json', 'xml', 'ttl']);

/** BCP 13: a type, a subtype and parameters; registered or not. */
export function mimeTypeAnswer(code: string): Answer {
  return mimeType.test(code) || formatNames.has(code) ? 'yes' : 'no';
}

const subtags =
  /^([a-z]{2,3}|[a-z]{5,8})((?:-[a-z]{3}){0,3})(?:-([A-Z][a-z]{3}))?(?:-([A-Z]{2}|\d{3}))?((?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*)((?:-[a-wyz0-9](?:-[A-Za-z0-9]{2,8})+)*)(-x(?:-[A-Za-z0-9]{1,8})+)?$/;

export interface LanguageTag {
  readonly language: string;
  readonly extended: string;
  readonly script: string | undefined;
  readonly region: string | undefined;
  readonly variants: string;
  readonly extensions: string;
  readonly privateUse: string | undefined;
}

/** The parts of a tag written in the registry's letter case (BCP 47 section 2.1.1), undefined for anything else. */
export function parseLanguageTag(tag: string): LanguageTag | undefined {
  if (tag.length > 100) return undefined;
  const match = subtags.exec(tag);
  if (match === null) return undefined;
  const [, language = '', extended = '', script, region, variants = '', extensions = '', privateUse] = match;
  return { language, extended, script, region, variants, extensions, privateUse };
}

/** BCP 47: well formed, and each subtag known to CLDR; a three-letter language unknown to it may still be registered. */
export function languageAnswer(tag: string): Answer {
  const parts = parseLanguageTag(tag);
  if (parts === undefined) return 'no';
  const { language, script, region } = parts;
  if (region !== undefined && !isRegion(region)) return 'no';
  if (script !== undefined && displayNames('script').of(script) === undefined) return 'no';
  if (displayNames('language').of(language) !== undefined) return 'yes';
  return language.length === 3 ? 'cannot-tell' : 'no';
}

function isRegion(region: string): boolean {
  if (/^\d/.test(region)) return displayNames('region').of(region) !== undefined;
  // CLDR also knows aliases such as UK, which are not registered: those it renames.
  const canonical = Intl.getCanonicalLocales(`und-${region}`)[0] ?? '';
  return canonical === `und-${region}` && displayNames('region').of(region) !== undefined;
}

function displayNames(type: 'language' | 'script' | 'region'): { of(code: string): string | undefined } {
  return new Intl.DisplayNames(['en'], { type, fallback: 'none' });
}

function languageFilter({ property, operator, value }: ConceptFilter): ((code: string) => boolean) | undefined {
  if (operator !== 'exists') return undefined;
  const part = languageParts.get(property);
  if (part === undefined) return undefined;
  return (code) => {
    const parts = parseLanguageTag(code);
    return parts !== undefined && part(parts) === (value === 'true');
  };
}

const languageParts: ReadonlyMap<string, (tag: LanguageTag) => boolean> = new Map([
  ['ext-lang', (tag) => tag.extended !== ''],
  ['extlang', (tag) => tag.extended !== ''],
  ['script', (tag) => tag.script !== undefined],
  ['region', (tag) => tag.region !== undefined],
  ['variant', (tag) => tag.variants !== ''],
  ['extension', (tag) => tag.extensions !== ''],
  ['private-use', (tag) => tag.privateUse !== undefined],
]);

/** ISO 4217, as the platform's CLDR lists it, fund and metal codes included; a code that looks right but is not listed is no currency. */
export function currencyAnswer(code: string): Answer {
  return /^[A-Z]{3}$/.test(code) && (Intl.supportedValuesOf('currency').includes(code) || otherCurrencies.has(code))
    ? 'yes'
    : 'no';
}

/** In the standard's list one and three; not every CLDR release has them. */
const otherCurrencies: ReadonlySet<string> = new Set(
  'BOV CHE CHW CLF COU MXV USN UYI UYW XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX SLE VED ZWG ZWL'.split(' '),
);

/** @param unit whether a UCUM unit is well formed */
export function grammarSystems(unit: (code: string) => Answer): ReadonlyMap<string, GrammarSystem> {
  return new Map<string, GrammarSystem>([
    ['urn:ietf:bcp:13', { test: memoised(mimeTypeAnswer) }],
    ['urn:ietf:bcp:47', { test: memoised(languageAnswer), filter: languageFilter }],
    ['urn:iso:std:iso:4217', { test: memoised(currencyAnswer) }],
    ['urn:iso:std:iso:3166', { test: memoised(countryAnswer), display: countryDisplay }],
    ['http://unitsofmeasure.org', { test: unit }],
  ]);
}

/** ISO 3166-1: two letters as CLDR knows them; three letters, digits and subdivisions are not known here. */
export function countryAnswer(code: string): Answer {
  return /^[A-Z]{2}$/.test(code) && isRegion(code) ? 'yes' : 'cannot-tell';
}

/** CLDR's names are not always the standard's, so a name only counts against a code when it is another country's. */
function countryDisplay(code: string, display: string): Answer {
  if (!/^[A-Z]{2}$/.test(code)) return 'cannot-tell';
  const names = displayNames('region');
  const folded = display.toLowerCase();
  if (names.of(code)?.toLowerCase() === folded) return 'yes';
  for (let first = 65; first <= 90; first++) {
    for (let second = 65; second <= 90; second++) {
      const other = String.fromCharCode(first, second);
      if (other !== code && names.of(other)?.toLowerCase() === folded) return 'no';
    }
  }
  return 'cannot-tell';
}

const memoLimit = 5000;

/** Remembers answers; starts anew when hostile variety has filled it. */
export function memoised(answer: (code: string) => Answer): (code: string) => Answer {
  const known = new Map<string, Answer>();
  return (code) => {
    const before = known.get(code);
    if (before !== undefined) return before;
    if (known.size >= memoLimit) known.clear();
    const made = answer(code);
    known.set(code, made);
    return made;
  };
}
