/** Bindings to value sets (http://hl7.org/fhir/R4/terminologies.html#binding): what a strength asks of code, Coding, CodeableConcept and Quantity. */
import type { CheckContext, Rule } from '../checks/report.ts';
import type { PackageScope } from '../packages/definitions.ts';
import type { Answer, CompiledValueSet, Terminology } from '../terminology/answers.ts';
import type { ValueCheck } from './constraints.ts';
import { isObject, type ElementBinding } from './element-tree.ts';

export interface BindingOptions {
  readonly terminology: Terminology;
  readonly scope: PackageScope;
  /** `url|version#element`. */
  readonly profile: string;
}

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
  return (value, c) => {
    for (const check of checks) check(value, c);
  };
}

/** Coded languages are left to people: only the plain code must be a registered tag, as the oracle has it. */
function isLanguages(canonical: string): boolean {
  return canonical.startsWith('http://hl7.org/fhir/ValueSet/all-languages');
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
      return (value, c) => {
        if (typeof value === 'string') {
          if (value !== '') findings.tell(findings.set.has(undefined, value), c, value);
        } else if (value === undefined) findings.missing(c);
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

function checkCoding(value: unknown, c: CheckContext, findings: BindingFindings): void {
  if (!isObject(value)) return;
  const { code, system } = value;
  if (typeof code !== 'string') findings.missing(c);
  else
    findings.tell(findings.set.has(textOr(system), code, textOr(value['version'])), c, `${textOr(system, '')}#${code}`);
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
  let best: Answer = 'no';
  let coded = false;
  for (let at = 0; at < codings.length; at++) {
    const coding: unknown = codings[at];
    if (!isObject(coding) || typeof coding['code'] !== 'string') continue;
    coded = true;
    const answer = findings.set.has(textOr(coding['system']), coding['code'], textOr(coding['version']));
    if (answer === 'yes') return;
    if (answer === 'cannot-tell') best = answer;
  }
  if (!coded) findings.missing(c);
  else findings.tell(best, c, codings.map(codingText).join(', '));
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

  get set(): CompiledValueSet {
    return (this.composed ??= this.options.terminology.valueSet(this.canonical, this.options.scope));
  }

  tell(answer: Answer, c: CheckContext, found: string): void {
    if (answer === 'yes') return;
    const rules = this.texts();
    // A maximum value set of systems that are not loaded excludes nothing for certain.
    const certain = answer === 'no' && (this.strength !== 'maximum' || this.set.unresolved.length === 0);
    c.report(certain ? rules.no : rules.unknown, '', found);
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
    this.rules = {
      no: {
        id: `binding-${strength}`,
        severity,
        code: 'code-invalid',
        text: `No code of the value set ${set.canonical}${among}: ${strength === 'extensible' ? 'use one of it where one fits' : 'one of it is required'}`,
        profile,
      },
      unknown: {
        id: 'binding-cannot-tell',
        severity: 'warning',
        code: 'not-supported',
        text: `Whether the code is in the value set ${set.canonical} (${strength}) cannot be told without a terminology server`,
        profile,
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
