import type { FhirDefinition, PackageScope } from '../packages/definitions.ts';
import type { Answer, CodingQuestion, CodingVerdict, CompiledValueSet, SystemState, Terminology } from './answers.ts';
import { codeSystem, isSupplement } from './code-system.ts';
import type { Concept } from './code-system.ts';
import { grammarSystems, languageAnswer, memoised, mimeTypeAnswer } from './grammar-systems.ts';
import { NestedMemo } from './nested-memo.ts';
import { unitChecker } from './units.ts';
import { compileValueSet, unknownValueSet } from './value-set.ts';
import type { Composer } from './value-set.ts';

export type { Terminology } from './answers.ts';

/** Systems that are published outside FHIR packages; a URL that is not here and not loaded is unknown. */
const externalSystems: ReadonlySet<string> = new Set([
  'http://snomed.info/sct',
  'http://loinc.org',
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'http://www.ama-assn.org/go/cpt',
  'http://hl7.org/fhir/sid/ndc',
  'http://hl7.org/fhir/sid/cvx',
  'http://hl7.org/fhir/sid/mvx',
  'http://hl7.org/fhir/sid/icd-10',
  'http://hl7.org/fhir/sid/icd-10-cm',
  'http://hl7.org/fhir/sid/icd-9-cm',
  'http://www.whocc.no/atc',
  'urn:iso:std:iso:3166:-2',
  'urn:iso:std:iso:11073:10101',
  'http://dicom.nema.org/resources/ontology/DCM',
  'http://terminology.hl7.org/CodeSystem/ISO3166Part1',
]);

const noDisplays: readonly string[] = [];
const maximumVerdicts = 50_000;
/** Longer texts are not worth keeping. */
const maximumRemembered = 2000;

/** The local terminology over loaded packages. Pure but for memos, which are bounded. */
export function createTerminology(): Terminology {
  return new LocalTerminology();
}

class LocalTerminology implements Terminology, Composer {
  readonly checkUnit = unitChecker();
  readonly checkLanguage = memoised(languageAnswer);
  readonly checkMimeType = memoised(mimeTypeAnswer);
  readonly grammars = grammarSystems(this.checkUnit);
  /** Per scope, by canonical; a canonical means another value set in another scope. */
  private readonly valueSets = new WeakMap<PackageScope, Map<string, CompiledValueSet>>();
  private readonly verdicts = new WeakMap<PackageScope, NestedMemo<CodingVerdict>>();
  /** Value sets being composed, so that a cycle ends. */
  private readonly composing = new Set<string>();

  valueSet(canonical: string, scope: PackageScope): CompiledValueSet {
    let known = this.valueSets.get(scope);
    if (known === undefined) this.valueSets.set(scope, (known = new Map<string, CompiledValueSet>()));
    const before = known.get(canonical);
    if (before !== undefined) return before;
    const definition = scope.resolve(canonical, 'ValueSet');
    if (definition === undefined) {
      const missing = unknownValueSet(canonical);
      known.set(canonical, missing);
      return missing;
    }
    const full = definition.version === '' ? definition.url : `${definition.url}|${definition.version}`;
    const key = `${definition.packageId} ${full}`;
    if (this.composing.has(key)) return unknownValueSet(canonical);
    this.composing.add(key);
    try {
      const made = definition.remember(this.valueSets, () =>
        compileValueSet(definition.resource, full, definition.scope, this),
      );
      known.set(canonical, made);
      return made;
    } finally {
      this.composing.delete(key);
    }
  }

  inlineValueSet(resource: FhirDefinition, scope: PackageScope): CompiledValueSet {
    return compileValueSet(
      resource,
      typeof resource.url === 'string' ? resource.url : `#${String(resource.id)}`,
      scope,
      this,
    );
  }

  checkCoding(question: CodingQuestion): CodingVerdict {
    const { scope, system, code, version, display } = question;
    let known = this.verdicts.get(scope);
    if (known === undefined) this.verdicts.set(scope, (known = new NestedMemo<CodingVerdict>(maximumVerdicts)));
    const before = known.get(system, code, version, display);
    if (before !== undefined) return before;
    const made = this.computeCoding(question);
    if ((display?.length ?? 0) + (code?.length ?? 0) < maximumRemembered)
      known.set(system, code, version, display, made);
    return made;
  }

  private computeCoding({ scope, system, code, version, display }: CodingQuestion): CodingVerdict {
    if (system === undefined) return verdict('absent', 'cannot-tell');
    const grammar = this.grammars.get(system);
    if (grammar !== undefined) {
      if (code === undefined) return verdict('grammar', 'cannot-tell');
      const right = display === undefined ? undefined : grammar.display?.(code, display);
      return { ...verdict('grammar', grammar.test(code)), display: right ?? 'cannot-tell' };
    }
    const asked = version === undefined ? system : `${system}|${version}`;
    const compiled = codeSystem(asked, scope);
    if (compiled === undefined) return verdict(this.stateOfUnknown(system, version, scope), 'cannot-tell');
    const state: SystemState =
      compiled.content === 'complete' ? 'complete' : compiled.content === 'not-present' ? 'external' : 'partial';
    if (code === undefined) return { ...verdict(state, 'cannot-tell'), systemStatus: compiled.status };
    const concept = compiled.find(code);
    if (concept === undefined) {
      return { ...verdict(state, state === 'complete' ? 'no' : 'cannot-tell'), systemStatus: compiled.status };
    }
    const displays = displaysOf(concept);
    return {
      system: state,
      code: 'yes',
      display: display === undefined || displays.length === 0 ? 'cannot-tell' : displayAnswer(display, displays),
      displays,
      inactive: concept.inactive,
      abstract: concept.abstract,
      systemStatus: compiled.status,
    };
  }

  private stateOfUnknown(system: string, version: string | undefined, scope: PackageScope): SystemState {
    if (version !== undefined && codeSystem(system, scope) !== undefined) return 'unknown-version';
    if (externalSystems.has(system)) return 'external';
    const definition = scope.resolve(system, 'CodeSystem');
    if (definition !== undefined) return isSupplement(definition) ? 'supplement' : 'external';
    return scope.resolve(system, 'ValueSet') === undefined ? 'unknown' : 'value-set';
  }
}

function verdict(system: SystemState, code: Answer): CodingVerdict {
  return {
    system,
    code,
    display: 'cannot-tell',
    displays: noDisplays,
    inactive: false,
    abstract: false,
    systemStatus: undefined,
  };
}

/** Displays that may be used: the concept's own and its designations, whatever their language. */
function displaysOf(concept: Concept): readonly string[] {
  const found = concept.display === undefined ? [] : [concept.display];
  for (const { value } of concept.designations) if (!found.includes(value)) found.push(value);
  return found;
}

/** Letter case is free; spaces are not. */
function displayAnswer(display: string, displays: readonly string[]): Answer {
  const folded = display.toLowerCase();
  return displays.some((right) => right.toLowerCase() === folded) ? 'yes' : 'no';
}
