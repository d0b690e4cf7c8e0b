/** A rules file (YAML) into a rule set's model: every problem at once, with line and path. */
import type { SeverityChoice, SeverityOverride } from './policy.ts';
import { isPolicyName } from './policy.ts';
import type { PolicyName } from './policy.ts';
import { RuleSetError } from './rules-error.ts';
import type { RuleProblem } from './rules-error.ts';
import type { Direction, RuleMode } from './validator.ts';

export interface ProfileRule {
  readonly name: string;
  /** What the rule is about; an absent list or direction means every one. */
  readonly direction: Direction | undefined;
  readonly types: readonly string[] | undefined;
  readonly upstreams: readonly string[] | undefined;
  readonly clients: readonly string[] | undefined;
  /** Holds for resources that declare one of these, `*` at the end for a prefix. */
  readonly declares: readonly string[] | undefined;
  readonly mode: RuleMode;
  /** Profiles that the resource must meet. */
  readonly required: readonly string[];
  /** Only these may be declared, `*` at the end for a prefix. */
  readonly allowed: readonly string[] | undefined;
  readonly forbidden: readonly string[];
  /** Every required profile must also be declared in `meta.profile`. */
  readonly requireDeclared: boolean;
}

export interface RuleSetModel {
  readonly name: string;
  readonly policy: PolicyName;
  /** Mode where no rule matches. */
  readonly defaults: Readonly<Record<Direction, RuleMode>>;
  /** In order: the first that matches decides. */
  readonly rules: readonly ProfileRule[];
  readonly severities: readonly SeverityOverride[];
  readonly cannotTell: SeverityChoice | undefined;
}

/** As `config` reads YAML. */
export interface YamlDocument {
  readonly value: unknown;
  readonly faults: readonly { readonly line: number; readonly code: string }[];
  lineOf(path: readonly (string | number)[]): number | undefined;
}

const modes = ['off', 'observe', 'annotate', 'reject'] as const;
const directions = ['push', 'pull'] as const;
const severities = ['error', 'warning', 'information', 'ignore'] as const;

/** @throws {RuleSetError} malformed */
export function parseRules(document: YamlDocument): RuleSetModel {
  if (document.faults.length > 0)
    throw new RuleSetError(
      document.faults.map(({ line, code }) => ({ line, path: 'file', text: `not YAML (${code})` })),
    );
  const reader = new Reader(document);
  const model = readModel(
    reader.object([], document.value, ['name', 'policy', 'default', 'rules', 'severity', 'cannotTell']),
    reader,
  );
  if (reader.problems.length > 0) throw new RuleSetError(reader.problems);
  return model;
}

function readModel(root: ObjectReader, reader: Reader): RuleSetModel {
  const defaults = root.child('default', [...directions]);
  const policy = root.text('policy') ?? 'gateway';
  if (!isPolicyName(policy)) root.problem('policy', 'is hl7 or gateway');
  const rules = root.children('rules', ruleKeys).map(readRule);
  const names = new Set<string>();
  for (const [index, rule] of rules.entries()) {
    if (names.has(rule.name)) reader.add(['rules', index, 'name'], `is the name of another rule: ${rule.name}`);
    names.add(rule.name);
  }
  return {
    name: root.text('name') ?? root.problem('name', 'is missing') ?? '',
    policy: isPolicyName(policy) ? policy : 'gateway',
    defaults: { push: defaults.choice('push', modes) ?? 'reject', pull: defaults.choice('pull', modes) ?? 'annotate' },
    rules,
    severities: root.children('severity', ['issue', 'expression', 'severity', 'reason', 'expires']).map(readSeverity),
    cannotTell: root.choice('cannotTell', severities),
  };
}

const ruleKeys = [
  'name',
  'direction',
  'types',
  'upstreams',
  'clients',
  'declares',
  'mode',
  'required',
  'allowed',
  'forbidden',
  'requireDeclared',
];

function readRule(rule: ObjectReader): ProfileRule {
  return {
    name: rule.text('name') ?? rule.problem('name', 'is missing') ?? '',
    direction: rule.choice('direction', directions),
    types: rule.texts('types', /^[A-Z][A-Za-z]{0,63}$/),
    upstreams: rule.texts('upstreams'),
    clients: rule.texts('clients'),
    declares: rule.texts('declares'),
    mode: rule.choice('mode', modes) ?? rule.problem('mode', `is one of ${modes.join(', ')}`) ?? 'reject',
    required: rule.texts('required', canonicalPattern) ?? [],
    allowed: rule.texts('allowed'),
    forbidden: rule.texts('forbidden') ?? [],
    requireDeclared: rule.flag('requireDeclared'),
  };
}

const canonicalPattern = /^[a-z][a-z0-9+.-]*:[^\s|#]+(\|[^\s|#]+)?$/i;

function readSeverity(override: ObjectReader): SeverityOverride {
  const issue = override.text('issue');
  const expression = override.text('expression');
  if (issue === undefined && expression === undefined) override.problem('issue', 'or expression is needed');
  return {
    issue,
    expression,
    severity:
      override.choice('severity', severities) ??
      override.problem('severity', `is one of ${severities.join(', ')}`) ??
      'error',
    reason: override.text('reason') ?? override.problem('reason', 'is missing: say why the severity differs') ?? '',
    expires: override.day('expires'),
  };
}

class Reader {
  readonly problems: RuleProblem[] = [];
  private readonly document: YamlDocument;

  constructor(document: YamlDocument) {
    this.document = document;
  }

  add(path: readonly (string | number)[], text: string): undefined {
    const written = path
      .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
      .join('');
    this.problems.push({ line: this.document.lineOf(path), path: written === '' ? 'file' : written, text });
  }

  object(path: readonly (string | number)[], value: unknown, keys: readonly string[]): ObjectReader {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isMap) this.add(path, 'is no map');
    const entries = new Map<string, unknown>(isMap ? Object.entries(value) : []);
    for (const key of entries.keys())
      if (!keys.includes(key)) this.add([...path, key], `is unknown; known are ${keys.join(', ')}`);
    return new ObjectReader(this, path, entries);
  }
}

class ObjectReader {
  private readonly reader: Reader;
  private readonly path: readonly (string | number)[];
  private readonly entries: ReadonlyMap<string, unknown>;

  constructor(reader: Reader, path: readonly (string | number)[], entries: ReadonlyMap<string, unknown>) {
    this.reader = reader;
    this.path = path;
    this.entries = entries;
  }

  problem(key: string, text: string): undefined {
    this.reader.add([...this.path, key], text);
  }

  text(key: string): string | undefined {
    const value = this.entries.get(key);
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    return this.problem(key, 'is no text');
  }

  flag(key: string): boolean {
    const value = this.entries.get(key) ?? false;
    if (typeof value !== 'boolean') this.problem(key, 'is true or false');
    return value === true;
  }

  choice<T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    return choices.find((choice) => choice === value) ?? this.problem(key, `is one of ${choices.join(', ')}`);
  }

  day(key: string): string | undefined {
    const text = this.text(key);
    if (text === undefined || (/^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)))) return text;
    return this.problem(key, 'is a day, YYYY-MM-DD');
  }

  texts(key: string, pattern?: RegExp): readonly string[] | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.problem(key, 'is no list');
    return value.flatMap((item: unknown, index) => {
      if (typeof item === 'string' && item !== '' && (pattern === undefined || pattern.test(item))) return [item];
      this.reader.add([...this.path, key, index], 'is not what belongs here');
      return [];
    });
  }

  child(key: string, keys: readonly string[]): ObjectReader {
    return this.reader.object([...this.path, key], this.entries.get(key) ?? {}, keys);
  }

  children(key: string, keys: readonly string[]): ObjectReader[] {
    const value = this.entries.get(key) ?? [];
    if (!Array.isArray(value)) {
      this.problem(key, 'is no list');
      return [];
    }
    return value.map((item: unknown, index) => this.reader.object([...this.path, key, index], item, keys));
  }
}
