/** What a FHIR client of the demo sees of one answer. */
export interface Reply {
  readonly status: number;
  /** Parsed JSON, or undefined where there is none. */
  readonly body: unknown;
  readonly etag: string | null;
  readonly location: string | null;
  /** `Concordat-Event`: the id of the event that the exchange left. */
  readonly event: string | null;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly token?: string | undefined;
  /** JSON text, or a value to make it from. */
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

const TIMEOUT_MS = 60_000;

/** Makes one FHIR call as an EHR would. @throws {TypeError | DOMException} not reachable, or no answer in a minute */
export async function callFhir({ method, url, token, body, headers }: Call): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: 'application/fhir+json',
      ...(body !== undefined && { 'content-type': 'application/fhir+json' }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: parse(text),
    etag: response.headers.get('etag'),
    location: response.headers.get('location'),
    event: response.headers.get('concordat-event'),
  };
}

function parse(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Issues of an OperationOutcome, those that say what is wrong. */
export function issuesOf(body: unknown): { code: string; expression: string | null; text: string | null }[] {
  const issues = (body as { resourceType?: unknown; issue?: unknown } | undefined)?.issue;
  if (!Array.isArray(issues)) return [];
  return (issues as Partial<{ severity: string; code: string; expression: string[]; details: { text: string } }>[])
    .filter((issue) => issue.severity === 'error' || issue.severity === 'fatal')
    .map((issue) => ({
      code: issue.code ?? 'unknown',
      expression: issue.expression?.[0] ?? null,
      text: issue.details?.text ?? null,
    }));
}

/** `total` or the number of entries of a Bundle; 0 for anything else. */
export function countOf(body: unknown): number {
  const bundle = body as { total?: unknown; entry?: unknown } | undefined;
  if (typeof bundle?.total === 'number') return bundle.total;
  return Array.isArray(bundle?.entry) ? bundle.entry.length : 0;
}
