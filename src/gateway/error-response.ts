import { ComplianceError } from '../compliance/compliance-error.ts';
import { operationOutcome } from '../fhir/outcome.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import { FhirParseError } from '../fhir/parse-error.ts';
import { ProvenanceError } from '../provenance/provenance-error.ts';
import { searchParameter } from '../fhir/search-parameters.ts';
import { GatewayError } from './gateway-error.ts';
import { FHIR_JSON } from './negotiate.ts';
import type { GatewayAnswer } from './request.ts';
import { UpstreamError } from './upstream-error.ts';

/**
 * The only place that turns errors into HTTP answers. What a client reads is fixed text or what a GatewayError says in `detail.external`; the message
 * and the cause of an error are for the log alone.
 */
export interface ErrorFacts {
  readonly status: number;
  readonly issues: readonly OutcomeIssue[];
  readonly headers: Readonly<Record<string, string>>;
  /** A word of a closed vocabulary, for log and metrics. */
  readonly reason: string;
}

export function errorFacts(error: unknown): ErrorFacts {
  if (error instanceof GatewayError) return gatewayFacts(error);
  if (error instanceof UpstreamError) return upstreamFacts(error);
  if (error instanceof FhirParseError) return parseFacts(error);
  if (error instanceof ProvenanceError) return provenanceFacts(error);
  if (error instanceof ComplianceError) return complianceFacts(error);
  return foreignFacts(error);
}

/** The whole answer to an error. */
export function errorAnswer(error: unknown): GatewayAnswer {
  const facts = errorFacts(error);
  return {
    status: facts.status,
    headers: { 'Content-Type': FHIR_JSON, 'Cache-Control': 'no-store', ...facts.headers },
    body: JSON.stringify(operationOutcome(facts.issues)),
  };
}

function facts(
  status: number,
  code: string,
  text: string,
  reason: string,
  more: { headers?: Readonly<Record<string, string>>; issue?: Partial<OutcomeIssue> } = {},
): ErrorFacts {
  const issue: OutcomeIssue = { severity: 'error', code, text, ...more.issue };
  return { status, issues: [issue], headers: more.headers ?? {}, reason };
}

function gatewayFacts(error: GatewayError): ErrorFacts {
  const { external, headers, expression, issues, reason } = error.detail;
  const made = (status: number, code: string): ErrorFacts => {
    const one = facts(status, code, external, reason ?? error.code, {
      ...(headers === undefined ? {} : { headers }),
      ...(expression === undefined ? {} : { issue: { expression } }),
    });
    return issues === undefined ? one : { ...one, issues };
  };
  switch (error.code) {
    case 'bad-request':
      return made(400, 'invalid');
    case 'structure':
      return made(400, 'structure');
    case 'unauthenticated':
      return made(401, 'login');
    case 'forbidden':
      return made(403, 'forbidden');
    case 'not-found':
      return made(404, 'not-found');
    case 'method-not-allowed':
      return made(405, 'not-supported');
    case 'not-acceptable':
      return made(406, 'not-supported');
    case 'conflict':
      return made(409, 'conflict');
    case 'gone':
      return made(410, 'deleted');
    case 'cursor-expired':
      return made(410, 'expired');
    case 'body-pruned':
      return made(410, 'deleted');
    case 'precondition-failed':
      return made(412, 'conflict');
    case 'multiple-matches':
      return made(412, 'multiple-matches');
    case 'too-large':
      return made(413, 'too-long');
    case 'unsupported-media-type':
      return made(415, 'not-supported');
    case 'profile':
      return made(422, 'invalid');
    case 'unprocessable':
      return made(422, 'business-rule');
    case 'too-many-requests':
      return made(429, 'throttled');
    case 'uncertain':
      return made(500, 'exception');
    case 'not-implemented':
      return made(501, 'not-supported');
    case 'rule-set-missing':
      return made(503, 'transient');
  }
}

function upstreamFacts(error: UpstreamError): ErrorFacts {
  const who = `The upstream server ${error.upstream}`;
  switch (error.code) {
    case 'unreachable':
      return facts(502, 'transient', `${who} cannot be reached; nothing was sent to it.`, error.code);
    case 'breaker-open':
    case 'overloaded':
      return facts(
        503,
        'transient',
        `${who} is failing or overloaded; nothing was sent to it. Try again later.`,
        error.code,
        {
          headers: { 'Retry-After': '2' },
        },
      );
    case 'timeout':
      return facts(
        504,
        'timeout',
        `${who} did not answer in time; what was asked of it may have been done.`,
        error.code,
      );
    case 'broken':
      return facts(
        502,
        'transient',
        `${who} broke off its answer; what was asked of it may have been done.`,
        error.code,
      );
    case 'too-long':
      return facts(502, 'too-long', `${who} answered with more than this gateway holds; ask for less.`, error.code);
    case 'not-fhir':
      return facts(502, 'transient', `${who} did not answer in FHIR JSON.`, error.code);
    case 'credentials':
      return facts(
        502,
        'transient',
        `${who} does not accept the gateway's own credentials; nothing was done.`,
        error.code,
      );
    case 'redirect':
      return facts(502, 'transient', `${who} answered with a redirect, which is not followed.`, error.code);
  }
}

function parseFacts(error: FhirParseError): ErrorFacts {
  const place = { issue: { line: error.line, column: error.column } };
  const where = `line ${error.line}, column ${error.column}`;
  switch (error.code) {
    case 'json-syntax':
      return facts(400, 'structure', `The body is not well-formed JSON; see ${where}.`, error.code, place);
    case 'too-deep':
      return facts(400, 'structure', `The body is nested too deep; see ${where}.`, error.code, place);
  }
}

function provenanceFacts(error: ProvenanceError): ErrorFacts {
  switch (error.code) {
    case 'throttled':
      return facts(503, 'throttled', 'Too many exchanges wait for the ledger; try again later.', error.code, {
        headers: { 'Retry-After': '5' },
      });
    case 'unavailable':
    case 'key':
    case 'schema':
    case 'corrupt':
    case 'other-log':
      return facts(
        503,
        'no-store',
        'The exchange cannot be recorded now, so nothing was disclosed or sent on.',
        error.code,
        {
          headers: { 'Retry-After': '10' },
        },
      );
  }
}

function complianceFacts(error: ComplianceError): ErrorFacts {
  // A name that R4 does not know is the client's own word, and may be anything.
  const isKnown = error.parameter !== undefined && searchParameter('AuditEvent', error.parameter) !== undefined;
  const which = isKnown ? ` (${error.parameter ?? ''})` : '';
  switch (error.code) {
    case 'unknown-parameter':
      return facts(400, 'not-supported', `This search does not know one of the parameters${which}.`, error.code);
    case 'bad-value':
      return facts(400, 'value', `A search parameter has a value that it cannot have${which}.`, error.code);
    case 'bad-page':
      return facts(400, 'value', 'The paging link was not made here.', error.code);
    case 'upstream':
      return facts(502, 'transient', 'The version cannot be had from its upstream now.', error.code);
    case 'unavailable':
      return facts(503, 'no-store', 'The records cannot be read now.', error.code);
  }
}

/** Errors of Express and Node, known by their `status`; everything else is our own fault and says nothing. */
function foreignFacts(error: unknown): ErrorFacts {
  const status = error !== null && typeof error === 'object' && 'status' in error ? error.status : undefined;
  if (status === 400) return facts(400, 'invalid', 'The request line cannot be read.', 'bad-request');
  if (status === 404) return facts(404, 'not-found', 'There is nothing at this address.', 'not-found');
  if (status === 413) return facts(413, 'too-long', 'The body is too large.', 'too-large');
  return facts(
    500,
    'exception',
    'The gateway failed; the operators find the reason under the request id.',
    'exception',
  );
}
