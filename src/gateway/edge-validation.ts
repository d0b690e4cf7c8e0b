import { itemsOf, stringMember } from '../fhir/bundle.ts';
import { sliceText } from '../fhir/json-edit.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { lineLocator, memberValue } from '../fhir/json-text.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import type { Direction, RuleMode, ValidationIssue } from '../validation/validator.ts';
import { GatewayError } from './gateway-error.ts';
import type { GatewayParts } from './parts.ts';
import type { PlannedWrite } from './plan.ts';

/** Validation as the rules want it: by direction, type, upstream, profile and client. The same for push, pull and `$validate`. */
export interface Judgement {
  readonly mode: RuleMode;
  readonly isValid: boolean;
  /** Placed in the client's text where the resource came from there. */
  readonly issues: readonly OutcomeIssue[];
  /** `url|version` of the profiles applied. */
  readonly profiles: readonly string[];
}

const UNJUDGED: Judgement = { mode: 'off', isValid: true, issues: [], profiles: [] };

export interface JudgeRequest {
  readonly direction: Direction;
  readonly upstream: string;
  readonly client: string;
  readonly resource: JsonSlice;
  /** `Bundle.entry[n].resource` where the resource is one entry's. */
  readonly root?: string;
  /** Whether lines and columns of the slice's text mean something to the reader. */
  readonly isPlaced: boolean;
  /** Profiles that the caller asks for beside those of the rules. */
  readonly profiles?: readonly string[];
  /** Validates even where the rules say off. */
  readonly isForced?: boolean;
}

/** What the rules make of one resource. */
export async function judge(parts: GatewayParts, request: JudgeRequest): Promise<Judgement> {
  const { resource, direction, upstream, client } = request;
  const resourceType = stringMember(resource.node, 'resourceType') ?? '';
  const decision = parts.ruleSet.decide({ direction, resourceType, upstream, client, profiles: declared(resource) });
  if (decision.mode === 'off' && request.isForced !== true) return UNJUDGED;
  const report = await parts.validator.validate({
    text: sliceText(resource),
    profiles: [...decision.required, ...(request.profiles ?? [])],
  });
  const ownIssues = decision.issues ?? [];
  const isValid = report.valid && !ownIssues.some(({ severity }) => severity === 'error' || severity === 'fatal');
  const verdict = isValid ? 'valid' : 'invalid';
  parts.metrics.findings.inc({ direction, mode: decision.mode, verdict });
  return {
    mode: decision.mode,
    isValid,
    issues: placedIssues([...ownIssues, ...report.issues], request),
    profiles: report.profiles,
  };
}

/** The profiles that a resource says it follows. */
export function declared(resource: JsonSlice): readonly string[] {
  const profiles = itemsOf(memberValue(memberValue(resource.node, 'meta'), 'profile'));
  return profiles.flatMap((profile) => (profile.kind === 'string' ? [profile.value] : []));
}

function placedIssues(issues: readonly ValidationIssue[], request: JudgeRequest): OutcomeIssue[] {
  const { text, node } = request.resource;
  const start = request.isPlaced && issues.length > 0 ? lineLocator(text)(node.start) : undefined;
  return issues.map((issue) => placedIssue(issue, start, request.root));
}

function placedIssue(
  issue: ValidationIssue,
  start: { line: number; column: number } | undefined,
  root: string | undefined,
): OutcomeIssue {
  const { line, column } = issue;
  const place =
    start === undefined || line === undefined || column === undefined
      ? {}
      : { line: start.line + line - 1, column: line === 1 ? start.column + column - 1 : column };
  const expression = root === undefined ? issue.expression : issue.expression?.replace(/^[A-Za-z]+/, root);
  return {
    severity: issue.severity,
    code: issue.code,
    text: issue.text,
    id: issue.id,
    ...(expression === undefined ? {} : { expression: [expression] }),
    ...place,
    ...(issue.profile === undefined ? {} : { profile: issue.profile }),
  };
}

export interface PushJudgement {
  /** Every finding, also those of rules that only observe: for the record. */
  readonly found: readonly OutcomeIssue[];
  /** Findings that the client is told. */
  readonly shown: readonly OutcomeIssue[];
  readonly profiles: readonly string[];
}

/**
 * Validates everything that is about to be written, before any of it is sent.
 * @throws {GatewayError} profile: with the findings of all refused resources, when a rule in mode reject finds an error
 */
export async function validatePush(
  parts: GatewayParts,
  client: string,
  writes: readonly PlannedWrite[],
): Promise<PushJudgement> {
  const found: OutcomeIssue[] = [];
  const shown: OutcomeIssue[] = [];
  const profiles = new Set<string>();
  let isRefused = false;
  let turnMs = performance.now();
  for (const write of writes) {
    const resource = write.received ?? write.sent;
    if (resource === undefined) continue;
    const judgement = await judge(parts, {
      direction: 'push',
      upstream: write.upstream,
      client,
      resource,
      isPlaced: write.received !== undefined,
      ...(write.entry === undefined ? {} : { root: `Bundle.entry[${write.entry}].resource` }),
    });
    found.push(...judgement.issues);
    if (judgement.mode === 'annotate' || judgement.mode === 'reject') shown.push(...judgement.issues);
    if (judgement.mode === 'reject' && !judgement.isValid) isRefused = true;
    for (const profile of judgement.profiles) profiles.add(profile);
    // A bundle of thousands must not keep other clients waiting.
    if (performance.now() - turnMs > 15) {
      await new Promise((resolve) => setImmediate(resolve));
      turnMs = performance.now();
    }
  }
  if (isRefused) throw refusal(parts, shown, found, [...profiles]);
  return { found, shown, profiles: [...profiles] };
}

function refusal(
  parts: GatewayParts,
  shown: readonly OutcomeIssue[],
  found: readonly OutcomeIssue[],
  profiles: readonly string[],
): GatewayError {
  return new GatewayError('profile', {
    external: 'The resource does not conform to what the consortium has agreed on.',
    issues: [contextIssue(parts, profiles), ...shown],
    found,
  });
}

/** The first issue of every validation outcome: by what it was judged. */
export function contextIssue(parts: GatewayParts, profiles: readonly string[]): OutcomeIssue {
  const { packages, engine } = parts.validator.context;
  const applied = profiles.length === 0 ? 'base specification' : profiles.join(', ');
  return {
    severity: 'information',
    code: 'informational',
    text: `Validated against ${applied}; packages ${packages.join(', ')}; engine ${engine}; rule set ${parts.ruleSet.digest}`,
  };
}
