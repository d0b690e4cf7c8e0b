import { extensionCode } from '../terminology/code-system.ts';
import { isObject, objectsOf } from './questionnaire-model.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

/** What a CodeSystem must be beyond its constraints (R4, codesystem.html#notes; concept properties as the extensions pack and THO publish them). */
const rule = (id: string, text: string, severity: Rule['severity'] = 'error'): Rule => ({
  id,
  severity,
  code: 'business-rule',
  text,
});

const countRule = rule('code-system-count', 'CodeSystem.count is not the number of concepts');
const noContent = rule('code-system-not-present', 'A code system whose content is not present lists no concepts');
const duplicate = rule('code-system-duplicate-code', 'The code is defined twice');
const supplementsMissing = rule(
  'code-system-supplements-missing',
  'A supplement must say which code system it supplements',
);
const notSupplement = rule(
  'code-system-supplements-content',
  'A code system that supplements another must have the content supplement',
);
const supplementCase = rule(
  'code-system-supplement-element',
  'A supplement does not state caseSensitive: the supplemented code system does',
);
const supplementCode = rule('code-system-supplement-code', 'The supplemented code system has no such code');
const supplementCount = rule(
  'code-system-supplement-count',
  'A supplement states the count of the code system it supplements, if any',
);
const propertyType = rule(
  'concept-property-type',
  'The value is not of the type that the property is declared to have',
);
const propertyCode = rule('concept-property-code', 'The property names a concept that the code system does not have');
const propertyTwice = rule('concept-property-duplicate', 'The property is declared twice');
const propertyUri = rule('concept-property-uri', 'The URI of a property must be absolute');
const propertyUnknown = rule('concept-property-unknown', 'HL7 defines no such property');
const propertyStandard = rule('concept-property-standard-type', 'HL7 defines the property with another type');
const publisherRule = rule(
  'publication-work-group',
  'What HL7 publishes must name its work group by the extension structuredefinition-wg',
);

const standardProperties = 'http://hl7.org/fhir/concept-properties#';
const standardTypes: ReadonlyMap<string, string> = new Map([
  ['status', 'code'],
  ['inactive', 'boolean'],
  ['effectiveDate', 'dateTime'],
  ['deprecationDate', 'dateTime'],
  ['deprecated', 'dateTime'],
  ['retirementDate', 'dateTime'],
  ['notSelectable', 'boolean'],
  ['parent', 'code'],
  ['child', 'code'],
  ['partOf', 'code'],
  ['synonym', 'code'],
  ['comment', 'string'],
  ['itemWeight', 'decimal'],
  ['order', 'integer'],
  ['definition', 'string'],
  ['alternateCode', 'code'],
]);
/** Properties whose codes are the code system's own. */
const internal: ReadonlySet<string> = new Set(['parent', 'child', 'partOf', 'synonym']);
const maximumDepth = 200;

interface Walk {
  readonly c: CheckContext;
  readonly codes: Map<string, number>;
  /** Concepts, with their places. */
  readonly concepts: { readonly concept: JsonObject; readonly at: string }[];
}

/** Checks a CodeSystem; the place of the context is the resource. */
export function checkCodeSystem(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  const walk: Walk = { c, codes: new Map(), concepts: [] };
  collect(value, '', walk, 0);
  const key =
    value['caseSensitive'] === false ? (code: string): string => code.toLowerCase() : (code: string): string => code;
  for (const { concept, at } of walk.concepts) {
    if (typeof concept['code'] !== 'string') continue;
    const seen = walk.codes.get(key(concept['code'])) ?? 0;
    if (seen > 0) c.report(duplicate, at, concept['code']);
    walk.codes.set(key(concept['code']), seen + 1);
  }
  checkContent(value, walk, c);
  checkProperties(value, walk, c, key);
}

function collect(container: JsonObject, at: string, walk: Walk, depth: number): void {
  if (depth > maximumDepth) return;
  const list: unknown[] = Array.isArray(container['concept']) ? container['concept'] : [];
  list.forEach((concept, index) => {
    if (!isObject(concept)) return;
    const here = `${at}.concept[${index}]`;
    walk.concepts.push({ concept, at: here });
    collect(concept, here, walk, depth + 1);
  });
}

function checkContent(value: JsonObject, walk: Walk, c: CheckContext): void {
  const { content, count, supplements } = value;
  const found = walk.concepts.length;
  if (content === 'supplement') {
    checkSupplement(value, walk, c);
    return;
  }
  if (typeof supplements === 'string') c.report(notSupplement, '.content');
  if (typeof supplements === 'string' && value['caseSensitive'] !== undefined)
    c.report(supplementCase, '.caseSensitive');
  if (content === 'complete' && typeof count === 'number' && found !== count)
    c.report(countRule, '.count', `${count}, and ${found} concepts`);
  if (content === 'not-present' && found > 0) c.report(noContent, '.concept[0]');
}

function checkSupplement(value: JsonObject, walk: Walk, c: CheckContext): void {
  const { supplements, count } = value;
  if (typeof supplements !== 'string') {
    c.report(supplementsMissing, '.content');
    return;
  }
  if (value['caseSensitive'] !== undefined) c.report(supplementCase, '.caseSensitive');
  const { terminology, scope } = c.services;
  const base = scope.resolve(supplements, 'CodeSystem')?.resource;
  if (base === undefined) return;
  if (typeof count === 'number' && base['count'] !== count) c.report(supplementCount, '.count');
  const [system] = supplements.split('|', 1);
  for (const { concept, at } of walk.concepts) {
    const { code } = concept;
    if (typeof code === 'string' && terminology.checkCoding({ scope, system, code }).code === 'no')
      c.report(supplementCode, at, code);
  }
}

function checkProperties(value: JsonObject, walk: Walk, c: CheckContext, key: (code: string) => string): void {
  const declared = new Map<string, JsonObject>();
  const uris = new Set<unknown>();
  const list: unknown[] = Array.isArray(value['property']) ? value['property'] : [];
  list.forEach((property, index) => {
    if (isObject(property)) checkDeclaration(property, `.property[${index}]`, declared, uris, c);
  });
  for (const { concept, at } of walk.concepts) {
    objectsOf(concept['property']).forEach((property, index) => {
      const definition = declared.get(String(property['code']));
      if (definition === undefined) return;
      const place = `${at}.property[${index}]`;
      const { type, uri } = definition;
      const name = Object.keys(property).find((one) => one.startsWith('value'));
      const given = name === undefined ? undefined : name.charAt(5).toLowerCase() + name.slice(6);
      if (given !== undefined && typeof type === 'string' && given !== type.charAt(0).toLowerCase() + type.slice(1))
        c.report(propertyType, place, given);
      const standard =
        typeof uri === 'string' && uri.startsWith(standardProperties) ? uri.slice(standardProperties.length) : '';
      const { valueCode } = property;
      if (internal.has(standard) && typeof valueCode === 'string' && !walk.codes.has(key(valueCode)))
        c.report(propertyCode, place, valueCode);
    });
  }
}

function checkDeclaration(
  property: JsonObject,
  at: string,
  declared: Map<string, JsonObject>,
  uris: Set<unknown>,
  c: CheckContext,
): void {
  const { code, uri, type } = property;
  if (typeof code === 'string') {
    if (declared.has(code)) c.report(propertyTwice, at, code);
    else declared.set(code, property);
  }
  if (typeof uri !== 'string') return;
  if (uris.has(uri)) c.report(propertyTwice, at, uri);
  uris.add(uri);
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri)) c.report(propertyUri, at, uri);
  if (!uri.startsWith(standardProperties)) return;
  const standard = standardTypes.get(uri.slice(standardProperties.length));
  if (standard === undefined) c.report(propertyUnknown, at, uri);
  else if (typeof type === 'string' && type !== standard) c.report(propertyStandard, at, type);
}

/** For publication: HL7's own artifacts name the work group that owns them. */
export function checkPublication(value: unknown, c: CheckContext): void {
  if (!c.services.settings.forPublication || !isObject(value)) return;
  const { url, resourceType } = value;
  if (typeof url !== 'string' || !/^https?:\/\/(?:hl7\.org\/fhir|terminology\.hl7\.org)\//.test(url)) return;
  const group = extensionCode(
    { ...value, resourceType: String(resourceType) },
    'http://hl7.org/fhir/StructureDefinition/structuredefinition-wg',
  );
  if (group === undefined) c.report(publisherRule);
}
