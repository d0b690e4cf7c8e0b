import type { FhirDefinition, PackageScope } from '../packages/definitions.ts';
import type { Answer, CompiledValueSet } from './answers.ts';
import { codeSystem, objects, text } from './code-system.ts';
import type { CompiledCodeSystem } from './code-system.ts';
import { filteredCodes } from './concept-filter.ts';
import type { ConceptFilter } from './concept-filter.ts';
import type { GrammarSystem } from './grammar-systems.ts';

/** What composing a value set needs from around it. */
export interface Composer {
  readonly grammars: ReadonlyMap<string, GrammarSystem>;
  valueSet(canonical: string, scope: PackageScope): CompiledValueSet;
}

/** One include or exclude: what it says about a code. */
interface Part {
  /** Undefined for one that only names other value sets. */
  readonly system: string | undefined;
  readonly version: string | undefined;
  /** Codes that are surely in it, where they can be listed. */
  readonly codes: ReadonlySet<string> | undefined;
  /** It lists its codes one by one. */
  readonly listed?: boolean;
  /** Value sets that it draws on. */
  readonly nested?: readonly CompiledValueSet[];
  /** For a code of `system`, letter case as the system has it. */
  test(system: string | undefined, code: string, version: string | undefined): Answer;
}

const maximumMemo = 20_000;

/** Three-valued and: both must hold. */
function both(left: Answer, right: Answer): Answer {
  if (left === 'no' || right === 'no') return 'no';
  return left === 'yes' && right === 'yes' ? 'yes' : 'cannot-tell';
}

/** A value set from its resource (of untrusted shape): `compose` where there is one, else its `expansion`. */
export function compileValueSet(
  resource: FhirDefinition,
  canonical: string,
  scope: PackageScope,
  composer: Composer,
): CompiledValueSet {
  const unresolved: string[] = [];
  const compose = resource['compose'] as { include?: unknown; exclude?: unknown; inactive?: unknown } | undefined;
  const expansion = resource['expansion'] as { contains?: unknown; total?: unknown } | undefined;
  let includes = objects(compose?.include).map((raw) =>
    compilePart(raw, scope, composer, unresolved, compose?.inactive === false),
  );
  const excludes = objects(compose?.exclude).map((raw) => compilePart(raw, scope, composer, unresolved, false));
  // An expansion that is all there settles what the definition cannot.
  if (expansion !== undefined && (includes.length === 0 || unresolved.length > 0) && isWhole(expansion)) {
    includes = expansionParts(expansion.contains);
    return new ComposedValueSet(canonical, [], includes, []);
  }
  return new ComposedValueSet(canonical, unresolved, includes, excludes);
}

function isWhole(expansion: { contains?: unknown; total?: unknown }): boolean {
  const count = countContained(expansion.contains);
  return count > 0 && (typeof expansion.total !== 'number' || expansion.total <= count);
}

function countContained(list: unknown, depth = 0): number {
  let count = 0;
  if (depth < 50) for (const item of objects(list)) count += 1 + countContained(item['contains'], depth + 1);
  return count;
}

function expansionParts(contains: unknown): Part[] {
  const bySystem = new Map<string, Set<string>>();
  const visit = (list: unknown, depth: number): void => {
    if (depth > 50) return;
    for (const item of objects(list)) {
      const system = text(item['system']);
      const code = text(item['code']);
      if (system !== undefined && code !== undefined && item['abstract'] !== true) {
        const codes = bySystem.get(system);
        if (codes === undefined) bySystem.set(system, new Set([code]));
        else codes.add(code);
      }
      visit(item['contains'], depth + 1);
    }
  };
  visit(contains, 0);
  return [...bySystem].map(([system, codes]) => listPart(system, undefined, codes));
}

function listPart(system: string, version: string | undefined, codes: ReadonlySet<string>): Part {
  return {
    system,
    version,
    codes,
    listed: true,
    test: (asked, code) => (asked === system && codes.has(code) ? 'yes' : 'no'),
  };
}

type RawInclude = Readonly<Record<string, unknown>>;

function compilePart(
  raw: RawInclude,
  scope: PackageScope,
  composer: Composer,
  unresolved: string[],
  activeOnly: boolean,
): Part {
  const system = text(raw['system']);
  const version = text(raw['version']);
  const nested = (Array.isArray(raw['valueSet']) ? (raw['valueSet'] as unknown[]) : []).filter(
    (one) => typeof one === 'string',
  );
  const sets = nested.map((canonical) => composer.valueSet(canonical, scope));
  for (const set of sets) unresolved.push(...set.unresolved);
  const own =
    system === undefined ? undefined : systemPart(raw, system, version, scope, composer, unresolved, activeOnly);
  if (sets.length === 0) return own ?? { system, version, codes: new Set(), test: () => 'no' };
  return {
    system,
    version,
    codes: undefined,
    nested: sets,
    // Several value sets in one include mean what is in all of them.
    test(asked, code, askedVersion) {
      let answer: Answer = own === undefined ? 'yes' : own.test(asked, code, askedVersion);
      for (const set of sets) {
        if (answer === 'no') return 'no';
        answer = both(answer, set.has(asked, code, askedVersion));
      }
      return answer;
    },
  };
}

function systemPart(
  raw: RawInclude,
  system: string,
  version: string | undefined,
  scope: PackageScope,
  composer: Composer,
  unresolved: string[],
  activeOnly: boolean,
): Part {
  const listed = objects(raw['concept'])
    .map((concept) => text(concept['code']))
    .filter((code) => code !== undefined);
  const canonical = version === undefined ? system : `${system}|${version}`;
  if (listed.length > 0)
    return withCase(
      listPart(system, version, new Set(listed)),
      codeSystem(canonical, scope) ?? codeSystem(system, scope),
    );
  const filters = objects(raw['filter']).map((filter): ConceptFilter => ({
    property: text(filter['property']) ?? '',
    operator: text(filter['op']) ?? '',
    value: text(filter['value']) ?? '',
  }));
  const grammar = composer.grammars.get(system);
  if (grammar !== undefined) return grammarPart(system, version, grammar, filters, unresolved);
  const compiled = codeSystem(canonical, scope);
  if (compiled === undefined || compiled.content === 'not-present') {
    unresolved.push(canonical);
    return { system, version, codes: new Set(), test: (asked) => (asked === system ? 'cannot-tell' : 'no') };
  }
  return codesPart(system, version, compiled, filters, unresolved, activeOnly);
}

function codesPart(
  system: string,
  version: string | undefined,
  compiled: CompiledCodeSystem,
  filters: readonly ConceptFilter[],
  unresolved: string[],
  activeOnly: boolean,
): Part {
  let codes = new Set<string>();
  for (const concept of compiled.concepts.values()) if (!(activeOnly && concept.inactive)) codes.add(concept.code);
  let open = compiled.content !== 'complete';
  for (const filter of filters) {
    const passing = filteredCodes(compiled, filter);
    if (passing === undefined) {
      open = true;
      codes = new Set();
      unresolved.push(`${system}?${filter.property} ${filter.operator}`);
    } else codes = new Set([...codes].filter((code) => passing.has(code)));
  }
  const part: Part = {
    system,
    version,
    codes,
    test(asked, code) {
      if (asked !== system) return 'no';
      if (codes.has(code)) return 'yes';
      return open ? 'cannot-tell' : 'no';
    },
  };
  return withCase(part, compiled);
}

/** Lets any letter case pass where the code system says that it does not matter. */
function withCase(part: Part, compiled: CompiledCodeSystem | undefined): Part {
  if (compiled === undefined || compiled.caseSensitive) return part;
  return { ...part, test: (asked, code, version) => part.test(asked, compiled.find(code)?.code ?? code, version) };
}

function grammarPart(
  system: string,
  version: string | undefined,
  grammar: GrammarSystem,
  filters: readonly ConceptFilter[],
  unresolved: string[],
): Part {
  const tests = filters.map((filter) => grammar.filter?.(filter));
  if (tests.includes(undefined)) {
    unresolved.push(system);
    return {
      system,
      version,
      codes: undefined,
      test: (asked, code) => (asked !== system || grammar.test(code) === 'no' ? 'no' : 'cannot-tell'),
    };
  }
  return {
    system,
    version,
    codes: undefined,
    test(asked, code) {
      if (asked !== system) return 'no';
      return tests.every((test) => test?.(code) !== false) ? grammar.test(code) : 'no';
    },
  };
}

class ComposedValueSet implements CompiledValueSet {
  readonly canonical: string;
  readonly known = true;
  readonly unresolved: readonly string[];
  private readonly includes: readonly Part[];
  private readonly excludes: readonly Part[];
  /** Answers by system, then code; the hot path. Only questions without a version are remembered. */
  private readonly memo = new Map<string | undefined, Map<string, Answer>>();
  private remembered = 0;

  constructor(canonical: string, unresolved: readonly string[], includes: readonly Part[], excludes: readonly Part[]) {
    this.canonical = canonical;
    this.unresolved = [...new Set(unresolved)];
    this.includes = includes;
    this.excludes = excludes;
  }

  get isSingleList(): boolean {
    const [only, ...others] = this.includes;
    if (only === undefined || others.length > 0 || this.excludes.length > 0) return false;
    if (only.system !== undefined) return only.listed === true && only.nested === undefined;
    return only.nested?.length === 1 && only.nested[0]?.isSingleList === true;
  }

  draws(system: string): 'list' | 'whole' | undefined {
    let found: 'list' | undefined;
    for (const part of this.includes) {
      if (part.system === system) {
        if (part.listed !== true) return 'whole';
        found = 'list';
      }
      for (const set of part.nested ?? []) {
        const nested = set.draws(system);
        if (nested === 'whole') return nested;
        found ??= nested;
      }
    }
    return found;
  }

  get size(): number {
    let count = 0;
    for (const part of this.includes) count += part.codes?.size ?? 0;
    return count;
  }

  sample(limit: number): readonly string[] {
    const found: string[] = [];
    for (const part of this.includes) {
      for (const code of part.codes ?? []) {
        if (found.length >= limit) return found;
        if (this.has(part.system, code) === 'yes') found.push(code);
      }
    }
    return found;
  }

  systemsOf(code: string): readonly string[] {
    const found = new Set<string>();
    for (const part of this.includes)
      if (part.system !== undefined && this.has(part.system, code) === 'yes') found.add(part.system);
    return [...found];
  }

  has(system: string | undefined, code: string, version?: string): Answer {
    if (version !== undefined && version !== '') return this.compute(system, code, version);
    const known = this.memo.get(system)?.get(code);
    if (known !== undefined) return known;
    const answer = this.compute(system, code, undefined);
    if (this.remembered >= maximumMemo) {
      this.memo.clear();
      this.remembered = 0;
    }
    let codes = this.memo.get(system);
    if (codes === undefined) this.memo.set(system, (codes = new Map<string, Answer>()));
    codes.set(code, answer);
    this.remembered++;
    return answer;
  }

  private compute(system: string | undefined, code: string, version: string | undefined): Answer {
    let answer: Answer = 'no';
    for (const part of this.includes) {
      const one = this.partAnswer(part, system, code, version);
      if (one !== 'no') answer = one;
      if (one === 'yes') break;
    }
    if (answer === 'no') return 'no';
    for (const part of this.excludes) {
      const one = this.partAnswer(part, system, code, version);
      if (one === 'yes') return 'no';
      if (one === 'cannot-tell') answer = 'cannot-tell';
    }
    return answer;
  }

  private partAnswer(part: Part, system: string | undefined, code: string, version: string | undefined): Answer {
    if (system !== undefined && part.system !== undefined && part.system !== system) return 'no';
    // An include of one version says nothing about codings of another.
    if (
      version !== undefined &&
      part.version !== undefined &&
      part.system === system &&
      !sameVersion(part.version, version)
    )
      return 'no';
    return part.test(system ?? part.system, code, version);
  }
}

/** `2.9` includes `2.9.1`. */
function sameVersion(wanted: string, given: string): boolean {
  return wanted === given || given.startsWith(wanted + '.') || wanted.startsWith(given + '.');
}

/** Stands for a value set that no loaded package has. */
export function unknownValueSet(canonical: string): CompiledValueSet {
  return {
    canonical,
    known: false,
    unresolved: [canonical],
    has: () => 'cannot-tell',
    isSingleList: false,
    draws: () => undefined,
    size: 0,
    sample: () => [],
    systemsOf: () => [],
  };
}
