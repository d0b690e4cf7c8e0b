import { loadConfig } from '../config/config.ts';
import { environmentVariable } from '../config/environment.ts';
import { CommandError } from './command-error.ts';
import { readInputText } from './read-input.ts';

/** How commands that ask a running gateway say which one, and who asks. */
export interface GatewayOptions {
  readonly url?: string;
  readonly config?: string;
  readonly tokenFile?: string;
}

const TIMEOUT_MS = 60_000;
const OPERATION_TIMEOUT_MS = 30 * 60_000;
const FHIR_JSON = 'application/fhir+json';
const TOKEN_VARIABLE = 'CONCORDAT_TOKEN';

/** The gateway's base, without a final slash. @throws {CommandError} usage @throws {ConfigError} */
export function gatewayBase(options: GatewayOptions): string {
  if (options.url !== undefined) {
    if (URL.parse(options.url) === null) throw new CommandError('usage', '--url is no URL');
    return options.url.replace(/\/+$/, '');
  }
  if (options.config === undefined) throw new CommandError('usage', 'give --url or --config');
  const { publicUrl, listen } = loadConfig(options.config);
  return publicUrl ?? `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`;
}

/** The bearer token out of a file or `CONCORDAT_TOKEN`; never an argument, which other users of the machine could see. */
export function bearerToken(options: GatewayOptions): string | undefined {
  const text = options.tokenFile === undefined ? environmentVariable(TOKEN_VARIABLE) : readInputText(options.tokenFile);
  return text?.trim();
}

/** One GET. @throws {CommandError} not-reachable */
export function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return ask(url, { headers }, TIMEOUT_MS);
}

/** One POST of a FHIR resource, for operations that may take long. @throws {CommandError} not-reachable */
export function postFhir(url: string, body: object, headers: Readonly<Record<string, string>>): Promise<Response> {
  const sent = { method: 'POST', headers: { ...headers, 'content-type': FHIR_JSON }, body: JSON.stringify(body) };
  return ask(url, sent, OPERATION_TIMEOUT_MS);
}

async function ask(url: string, request: RequestInit, timeoutMs: number): Promise<Response> {
  try {
    return await fetch(url, { ...request, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
  } catch (cause) {
    throw new CommandError('not-reachable', `${new URL(url).origin} cannot be reached`, { cause });
  }
}

/** Why a gateway refused, for one line on stderr: the first issue of its OperationOutcome, else the status. */
export async function refusalText(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => undefined);
  const issue = (body as { issue?: { details?: { text?: unknown } }[] } | undefined)?.issue?.[0];
  const text = issue?.details?.text;
  return `the gateway answered ${response.status}${typeof text === 'string' ? `: ${text}` : ''}`;
}
