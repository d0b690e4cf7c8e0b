import type { FhirDefinition, PackageScope } from '../packages/definitions.ts';

/** What the local terminology says: never a silent yes. `cannot-tell` is what only a terminology server, or a package that is not loaded, could settle. */
export type Answer = 'yes' | 'no' | 'cannot-tell';

/** One value set, composed once; asking is a lookup or two. */
export interface CompiledValueSet {
  /** `url|version` as found, or the canonical as asked when it is not loaded. */
  readonly canonical: string;
  /** False when no loaded package has it: then every answer is `cannot-tell`. */
  readonly known: boolean;
  /** What could not be had while composing it (systems, nested value sets, filters), as canonicals; empty when every answer is yes or no. */
  readonly unresolved: readonly string[];
  /**
   * @param system undefined for a bare code (elements of type code): then any system of the value set will do
   * @param version `Coding.version`, where the value set names versions
   */
  has(system: string | undefined, code: string, version?: string): Answer;
  /** It is one list of codes of one system, so that a coding without system can be told apart. */
  readonly isSingleList: boolean;
  /** Whether an include names the code system, and then whether it lists the codes or takes them as the system has them. */
  draws(system: string): 'list' | 'whole' | undefined;
  /** Number of codes that are known to be in it. */
  readonly size: number;
  /** At most `limit` codes of it, for texts that say what is allowed. */
  sample(limit: number): readonly string[];
  /** Systems of which this code is surely in it, for a bare code. */
  systemsOf(code: string): readonly string[];
}

/** `system` of a coding, as far as the loaded packages know it. */
export type SystemState =
  /** Its code system is loaded with all its codes. */
  | 'complete'
  /** Loaded in part (fragment or example): a code that is not there may still be right. */
  | 'partial'
  /** Known by name (`content: not-present`, or an external system such as SNOMED CT) without codes. */
  | 'external'
  /** Judged by a grammar, not a list: BCP 47, BCP 13 (MIME), ISO 4217, UCUM. */
  | 'grammar'
  /** The asked version is not loaded while another one is. */
  | 'unknown-version'
  /** The URL is a value set's, not a code system's. */
  | 'value-set'
  /** It supplements another code system, which is the one to name. */
  | 'supplement'
  /** Not loaded at all. */
  | 'unknown'
  | 'absent';

export interface CodingQuestion {
  readonly scope: PackageScope;
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly version?: string | undefined;
  readonly display?: string | undefined;
  /** BCP 47; displays of other languages are looked at only when designations for it exist. */
  readonly language?: string | undefined;
}

/** What a coding by itself is worth, whatever it is bound to. */
export interface CodingVerdict {
  readonly system: SystemState;
  /** `cannot-tell` also when there is no code. */
  readonly code: Answer;
  /** `no` when the display is none of the code's; the right ones are in `displays`. */
  readonly display: Answer;
  readonly displays: readonly string[];
  /** The code is there but marked inactive, retired or abstract. */
  readonly inactive: boolean;
  readonly abstract: boolean;
  /** The system's own status where it is not usable as it stands. */
  readonly systemStatus: 'draft' | 'retired' | 'experimental' | 'deprecated' | undefined;
}

export interface Terminology {
  /** Composes the value set at the first call for this scope, and gives the same object after that. */
  valueSet(canonical: string, scope: PackageScope): CompiledValueSet;
  /** A value set that is not in a package: a contained one. Not memoised. */
  inlineValueSet(resource: FhirDefinition, scope: PackageScope): CompiledValueSet;
  /** Memoised by system, version, code and display: the second time it is one lookup. */
  checkCoding(question: CodingQuestion): CodingVerdict;
  /** Whether a UCUM unit is well formed; `cannot-tell` for none. Slow the first time, then a lookup. */
  checkUnit(unit: string): Answer;
  /** Whether a BCP 47 tag is well formed and registered, letter case included. */
  checkLanguage(tag: string): Answer;
  /** Whether it has the form of a BCP 13 (MIME) type. */
  checkMimeType(type: string): Answer;
}
