/** One input through rules and validator, as the gateway would. */
import type { PolicyName } from '../validation/policy.ts';
import type { RuleQuery } from '../validation/rules.ts';
import type { RuleSet, ValidationReport, Validator } from '../validation/validator.ts';
import type { ResourceInput } from './validate-input.ts';
import { maximumLineBytes } from './validate-input.ts';
import { fatalReport, resultOf } from './validate-result.ts';
import type { FormattedResult } from './validate-result.ts';

export interface Judge {
  readonly context: Validator['context'];
  judge(input: ResourceInput): Promise<FormattedResult>;
}

export interface JudgeOptions {
  readonly validator: Validator;
  readonly policy: PolicyName;
  readonly profiles: readonly string[];
  readonly ruleSet: RuleSet | undefined;
  readonly query: Pick<RuleQuery, 'direction' | 'upstream' | 'client'>;
}

export function createJudge(options: JudgeOptions): Judge {
  return {
    context: options.validator.context,
    async judge(input) {
      const facts = input.text === undefined ? undefined : factsOf(input.text);
      const report = await reportOn(input, facts, options);
      return { result: resultOf(input, facts?.id ?? null, report), report };
    },
  };
}

interface ResourceFacts {
  readonly isObject: boolean;
  readonly id: string | null;
  readonly resourceType: string;
  readonly declared: readonly string[];
}

async function reportOn(
  input: ResourceInput,
  facts: ResourceFacts | undefined,
  options: JudgeOptions,
): Promise<ValidationReport> {
  if (input.text === undefined) return fatalReport('text-too-long', `a line is longer than ${maximumLineBytes} bytes`);
  if (input.text.trim() === '') return fatalReport('text-empty', 'there is nothing where a resource belongs');
  if (facts?.isObject === false) return fatalReport('resource-not-object', 'the JSON is not an object');
  const decision = options.ruleSet?.decide({
    ...options.query,
    resourceType: facts?.resourceType ?? '',
    profiles: facts?.declared ?? [],
  });
  if (decision?.mode === 'off') return { valid: true, issues: [], resourceType: facts?.resourceType, profiles: [] };
  const report = await options.validator.validate({
    text: input.text,
    profiles: [...options.profiles, ...(decision?.required ?? [])],
    policy: options.policy,
  });
  const ruleIssues = decision?.issues ?? [];
  if (ruleIssues.length === 0) return report;
  return { ...report, valid: false, issues: [...ruleIssues, ...report.issues] };
}

/** Undefined when the text is not JSON: the validator says so, with the place. */
function factsOf(text: string): ResourceFacts | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return { isObject: false, id: null, resourceType: '', declared: [] };
  const meta = isObject(value.meta) ? value.meta : {};
  const declared: unknown[] = Array.isArray(meta.profile) ? meta.profile : [];
  return {
    isObject: true,
    id: typeof value.id === 'string' ? value.id : null,
    resourceType: typeof value.resourceType === 'string' ? value.resourceType : '',
    declared: declared.filter((profile) => typeof profile === 'string'),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
