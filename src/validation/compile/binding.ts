/** Bindings to value sets (http://hl7.org/fhir/R4/terminologies.html#binding): what a strength asks of code, Coding, CodeableConcept and Quantity. */
import type { CheckContext, JsonObject, Rule } from '../checks/report.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { Answer, CompiledValueSet, Terminology } from '../terminology/answers.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, objects, type ElementBinding } from './element-tree.ts';

export interface BindingOptions {
  readonly terminology: Terminology;
  readonly scope: PackageScope;
  /** `url|version#element`. */
  readonly profile: string;
}

/** `unknown-system`: no, as far as the list goes, but the system is not loaded; `unknown-version`: yes, but for a version that is not loaded. */
type BindingAnswer = Answer | 'unknown-system' | 'unknown-version';

type Strength = 'required' | 'extensible' | 'maximum';

/** @returns the check of values of that type, or undefined where the binding asks nothing */
export function bindingCheck(
  binding: ElementBinding,
  typeCode: string,
  options: BindingOptions,
): ValueCheck | undefined {
  const checks: ValueCheck[] = [];
  if (binding.valueSet !== undefined && (binding.strength === 'required' || binding.strength === 'extensible')) {
    const check = strengthCheck(binding.strength, binding.valueSet, typeCode, options);
    if (check !== undefined) checks.push(check);
  }
  if (
    binding.maxValueSet !== undefined &&
    binding.strength !== 'required' &&
    !(isLanguages(binding.maxValueSet) && typeCode !== 'code')
  ) {
    const check = strengthCheck('maximum', binding.maxValueSet, typeCode, options);
    if (check !== undefined) checks.push(check);
  }
  if (checks.length < 2) return checks[0];
  return (value, c, sibling) => {
    for (const check of checks) check(value, c, sibling);
  };
}

/** Coded languages are left to people: only the plain code must be a registered tag, as the oracle has it. */
function isLanguages(canonical: string): boolean {
  return canonical.startsWith('http://hl7.org/fhir/ValueSet/all-languages');
}

/** A code that only a later FHIR version has, given in an extension of that version. */
function hasAlternative(sibling: unknown): boolean {
  return (
    isObject(sibling) &&
    objects(sibling['extension']).some(
      ({ url }) => typeof url === 'string' && /^http:\/\/hl7\.org\/fhir\/[1-9]\.\d\//.test(url),
    )
  );
}

function strengthCheck(
  strength: Strength,
  canonical: string,
  typeCode: string,
  options: BindingOptions,
): ValueCheck | undefined {
  const findings = new BindingFindings(strength, canonical, options);
  switch (typeCode) {
    case 'code':
    case 'string':
    case 'uri':
    case 'url':
    case 'canonical':
    case 'markdown':
    case 'id':
    case 'oid':
      return (value, c, sibling) => {
        if (typeof value === 'string') {
          if (value !== '') findings.tell(findings.set.has(undefined, value), c, value);
        } else if (value === undefined && !hasAlternative(sibling)) findings.missing(c);
        else if (typeof value === 'number') findings.tell(findings.set.has(undefined, String(value)), c, String(value));
      };
    case 'Coding':
      return (value, c) => checkCoding(value, c, findings);
    case 'Quantity':
    case 'Money':
    case 'Age':
    case 'Duration':
    case 'Distance':
    case 'Count':
    case 'SimpleQuantity':
    case 'MoneyQuantity':
      return (value, c) => checkQuantity(value, c, findings);
    case 'CodeableConcept':
      return (value, c) => checkConcept(value, c, findings);
    default:
      return undefined;
  }
}

/** Without system or code a Coding says nothing that could be in a value set or not. */
function checkCoding(value: unknown, c: CheckContext, findings: BindingFindings): void {
  if (!isObject(value)) return;
  const { code, system } = value;
  if (typeof code !== 'string' || typeof system !== 'string') return;
  findings.tell(findings.answer(system, code, textOr(value['version'])), c, `${system}#${code}`);
}

/** Units are UCUM's: a list of them is no enumeration of all ways to write one, so only a warning unless the system itself is wrong. */
function checkQuantity(value: unknown, c: CheckContext, findings: BindingFindings): void {
  if (!isObject(value)) return;
  const { code, system } = value;
  if (typeof code !== 'string') return;
  const answer = findings.set.has(textOr(system), code);
  if (answer === 'no' && system === 'http://unitsofmeasure.org') findings.unit(c, code);
  else findings.tell(answer, c, `${textOr(system, '')}#${code}`);
}

/** One coding from the value set is enough. */
function checkConcept(value: unknown, c: CheckContext, findings: BindingFindings): void {
  if (!isObject(value)) return;
  const codings = value['coding'];
  if (!Array.isArray(codings) || codings.length === 0) {
    findings.missing(c);
    return;
  }
  let best: BindingAnswer = 'no';
  for (let at = 0; at < codings.length; at++) {
    const coding: unknown = codings[at];
    if (!isObject(coding)) continue;
    const answer = codingAnswer(coding, findings);
    if (answer === 'yes') return;
    if (answer !== 'no' && best !== 'cannot-tell') best = answer;
  }
  findings.tell(best, c, codings.map(codingText).join(', '));
}

function codingAnswer(coding: JsonObject, findings: BindingFindings): BindingAnswer {
  const { system, code } = coding;
  if (typeof system !== 'string')
    return typeof code === 'string' && findings.set.isSingleList
      ? findings.set.has(undefined, code)
      : findings.set.known
        ? 'no'
        : 'cannot-tell';
  if (typeof code !== 'string') return findings.judges(system) ? 'no' : 'cannot-tell';
  return findings.answer(system, code, textOr(coding['version']));
}

function codingText(coding: unknown): string {
  return isObject(coding) ? `${textOr(coding['system'], '')}#${textOr(coding['code'], '')}` : '';
}

function textOr(value: unknown, other: string): string;
function textOr(value: unknown): string | undefined;
function textOr(value: unknown, other?: string): string | undefined {
  return typeof value === 'string' ? value : other;
}

/** What one binding says when it is not met; texts are made at the first failure, when the value set has been composed anyway. */
class BindingFindings {
  private readonly strength: Strength;
  private readonly canonical: string;
  private readonly options: BindingOptions;
  private composed: CompiledValueSet | undefined;
  private rules: { no: Rule; unknown: Rule; missing: Rule } | undefined;

  constructor(strength: Strength, canonical: string, options: BindingOptions) {
    this.strength = strength;
    this.canonical = canonical;
    this.options = options;
  }

  /** A code that is not listed, of a system that nothing loaded knows, may be another spelling of one that is: so the oracle has it. */
  answer(system: string, code: string, version: string | undefined): BindingAnswer {
    const answer = this.set.has(system, code, version);
    if (answer === 'no') return this.judges(system) ? answer : 'unknown-system';
    return version === undefined || answer !== 'yes' || this.hasVersion(system, code, version)
      ? answer
      : 'unknown-version';
  }

  /** Codes taken from a system as it is in one version cannot be told from another version that is not loaded. */
  private hasVersion(system: string, code: string, version: string): boolean {
    if (this.strength !== 'required' || this.set.draws(system) !== 'whole') return true;
    const { terminology, scope } = this.options;
    return terminology.checkCoding({ scope, system, code, version }).system !== 'unknown-version';
  }

  /** False where the value set draws on a code system that is not loaded. */
  judges(system: string): boolean {
    if (!this.set.known) return false;
    if (this.set.draws(system) === undefined) return true;
    const { terminology, scope } = this.options;
    return terminology.checkCoding({ scope, system, code: undefined }).system !== 'unknown';
  }

  get set(): CompiledValueSet {
    return (this.composed ??= this.options.terminology.valueSet(this.canonical, this.options.scope));
  }

  tell(answer: BindingAnswer, c: CheckContext, found: string): void {
    if (answer === 'yes') return;
    const rules = this.texts();
    // A maximum value set of systems that are not loaded excludes nothing for certain.
    const certain = answer === 'no' && (this.strength !== 'maximum' || this.set.unresolved.length === 0);
    if (answer === 'unknown-version') {
      c.report({ ...rules.no, id: `binding-${this.strength}-unknown-version` }, '', found);
    } else if (answer === 'unknown-system') {
      c.report({ ...rules.no, id: `binding-${this.strength}-unknown-system`, severity: 'warning' }, '', found);
    } else c.report(certain ? rules.no : rules.unknown, '', found);
  }

  missing(c: CheckContext): void {
    if (this.strength === 'required' && this.set.known) c.report(this.texts().missing);
  }

  unit(c: CheckContext, code: string): void {
    if (this.strength === 'extensible') this.tell('no', c, code);
    else c.report({ ...this.texts().no, id: `binding-${this.strength}-unit`, severity: 'warning' }, '', code);
  }

  private texts(): { no: Rule; unknown: Rule; missing: Rule } {
    if (this.rules !== undefined) return this.rules;
    const { set, strength } = this;
    const profile = this.options.profile;
    const sample = set.sample(8);
    const among = sample.length === 0 ? '' : ` (such as ${sample.join(', ')})`;
    const severity = strength === 'extensible' ? 'warning' : 'error';
    const refused: Rule = {
      id: `binding-${strength}`,
      severity,
      code: 'code-invalid',
      text: `No code of the value set ${set.canonical}${among}: ${strength === 'extensible' ? 'use one of it where one fits' : 'one of it is required'}`,
      profile,
    };
    this.rules = {
      no: refused,
      unknown: {
        id: 'binding-cannot-tell',
        severity: 'warning',
        code: 'not-supported',
        text: `Whether the code is in the value set ${set.canonical} (${strength}) cannot be told without a terminology server`,
        profile,
        question: { valueSet: set.canonical, strength, refused },
      },
      missing: {
        id: 'binding-missing-code',
        severity,
        code: 'code-invalid',
        text: `No code, and one of the value set ${set.canonical}${among} is required`,
        profile,
      },
    };
    return this.rules;
  }
}
