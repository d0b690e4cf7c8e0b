import { Option } from 'commander';
import type { Command } from 'commander';
import { CommandError } from './command-error.ts';
import { bearerToken, gatewayBase, get, refusalText } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { print, printTable } from './print.ts';
import { runAction } from './run-action.ts';

interface QueryOptions extends GatewayOptions {
  readonly patient?: string;
  readonly resource?: string;
  readonly user?: string;
  readonly client?: string;
  readonly kind?: string;
  readonly outcome?: string;
  readonly since?: string;
  readonly until?: string;
  readonly count: string;
  readonly format: 'table' | 'json' | 'ndjson' | 'csv';
}

/** `concordat query`: who did what to which record. Asking is itself recorded. */
export function queryCommand(program: Command): void {
  program
    .command('query')
    .description("ask a gateway's audit: who did what to which record, and how far its proof is")
    .option('--url <url>', 'gateway, e.g. http://127.0.0.1:8080')
    .option('--config <file>', 'take the address from a configuration')
    .option('--token-file <file>', 'bearer token; else the environment variable CONCORDAT_TOKEN')
    .option('--patient <id>', 'upstream.id, e.g. ehr.123')
    .option('--resource <reference>', 'Type/upstream.id, e.g. Observation/ehr.7')
    .option('--user <id>', 'user claim of the token')
    .option('--client <id>', 'client claim of the token')
    .option('--kind <kind>', 'received, disclosed, rejected, denied, retracted, erased or checked')
    .option('--outcome <code>', '0, 4, 8 or 12')
    .option('--since <instant>', 'from this time on')
    .option('--until <instant>', 'before this time')
    .option('--count <number>', 'rows of a table or a json page', '50')
    .addOption(
      new Option('--format <format>', 'csv and ndjson give all rows')
        .choices(['table', 'json', 'ndjson', 'csv'])
        .default('table'),
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 answered, 1 refused, 2 usage, 3 there are more rows than shown, 4 not reachable.',
    )
    .action(runAction((options: QueryOptions) => ask(options)));
}

async function ask(options: QueryOptions): Promise<number> {
  const token = bearerToken(options);
  const response = await get(`${gatewayBase(options)}/audit/AuditEvent?${searchOf(options)}`, {
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  });
  if (response.status !== 200)
    throw new CommandError(response.status === 400 ? 'usage' : 'false', await refusalText(response));
  if (options.format === 'ndjson' || options.format === 'csv') {
    for await (const chunk of response.body ?? []) process.stdout.write(chunk as Uint8Array);
    return 0;
  }
  const bundle = (await response.json()) as AuditBundle;
  if (options.format === 'json') print(JSON.stringify(bundle, null, 2));
  else printTable([['TIME', 'WHO', 'DID', 'TO', 'OUTCOME', 'EVENT'], ...(bundle.entry ?? []).map(rowOf)]);
  return bundle.link?.some((link) => link.relation === 'next') === true ? 3 : 0;
}

function searchOf(options: QueryOptions): string {
  const search = new URLSearchParams();
  const set = (name: string, value: string | undefined) => value !== undefined && search.append(name, value);
  set(
    'patient',
    options.patient === undefined || options.patient.includes('/') ? options.patient : `Patient/${options.patient}`,
  );
  set('entity', options.resource);
  set('user', options.user);
  set('client', options.client);
  set('kind', options.kind);
  set('outcome', options.outcome);
  set('date', options.since === undefined ? undefined : `ge${options.since}`);
  set('date', options.until === undefined ? undefined : `lt${options.until}`);
  if (options.format === 'ndjson' || options.format === 'csv') set('_format', options.format);
  else set('_count', options.count);
  set('_sort', '-date');
  return search.toString();
}

/** What a table shows of the AuditEvents; the server that we asked makes them, so their shape is taken on trust. */
interface AuditBundle {
  readonly link?: readonly { readonly relation?: string }[];
  readonly entry?: readonly { readonly resource?: AuditRow }[];
}

interface AuditRow {
  readonly id?: string;
  readonly recorded?: string;
  readonly outcome?: string;
  readonly subtype?: readonly { readonly code?: string }[];
  readonly agent?: readonly {
    readonly who?: { readonly identifier?: { readonly value?: string }; readonly display?: string };
    readonly altId?: string;
    readonly name?: string;
  }[];
  readonly entity?: readonly { readonly what?: { readonly reference?: string } }[];
}

function rowOf({ resource = {} }: { readonly resource?: AuditRow }): string[] {
  const { id = '', recorded = '', outcome = '', subtype = [], agent = [], entity = [] } = resource;
  const who = agent
    .map((one) => one.who?.identifier?.value ?? one.who?.display ?? one.altId ?? one.name)
    .find((name) => name !== undefined);
  const what = entity.flatMap((one) => one.what?.reference ?? []);
  const more = what.length > 1 ? ` +${what.length - 1}` : '';
  return [
    recorded,
    who ?? '',
    subtype.map((coding) => coding.code ?? '').join(' '),
    `${what[0] ?? ''}${more}`,
    outcome,
    // An AuditEvent's id is the event's, in the letters that a FHIR id may have.
    id.replaceAll('.', '_'),
  ];
}
