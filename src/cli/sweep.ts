import type { Command } from 'commander';
import { CommandError } from './command-error.ts';
import { bearerToken, gatewayBase, postFhir, refusalText } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { print, printJson, printTable } from './print.ts';
import { runAction } from './run-action.ts';

interface SweepOptions extends GatewayOptions {
  readonly since?: string;
  readonly member?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

/** `concordat sweep`: whether the upstreams still have what was recorded. Asking is itself recorded. */
export function sweepCommand(program: Command): void {
  program
    .command('sweep')
    .description('compare what was written through a gateway with what its upstreams have today')
    .option('--url <url>', 'gateway, e.g. http://127.0.0.1:8080')
    .option('--config <file>', 'take the address from a configuration')
    .option('--token-file <file>', 'bearer token; else the environment variable CONCORDAT_TOKEN')
    .option('--since <instant>', 'versions written from this time on; left out: all')
    .option('--member <name>', 'only upstreams of this member')
    .option('--limit <number>', 'versions, the newest first; left out: 10000')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExit codes: 0 all of them match, 1 some do not or it was refused, 2 usage, 3 not all of them were looked at, 4 not reachable.',
    )
    .action(runAction((options: SweepOptions) => sweep(options)));
}

/** What the gateway answers; it makes the Parameters itself, so their shape is taken on trust. */
interface SweepAnswer {
  readonly parameter?: readonly {
    readonly name: string;
    readonly valueInteger?: number;
    readonly valueDecimal?: number;
    readonly part?: readonly { readonly name: string; readonly valueString?: string; readonly valueCode?: string }[];
  }[];
}

const NO_MATCH = ['changed', 'missing', 'unanchored'];

async function sweep(options: SweepOptions): Promise<number> {
  const token = bearerToken(options);
  const parameter = [
    ...(options.since === undefined ? [] : [{ name: 'since', valueString: options.since }]),
    ...(options.member === undefined ? [] : [{ name: 'member', valueString: options.member }]),
    ...(options.limit === undefined ? [] : [{ name: 'limit', valueString: options.limit }]),
  ];
  const response = await postFhir(
    `${gatewayBase(options)}/audit/$verify-sweep`,
    { resourceType: 'Parameters', parameter },
    token === undefined ? {} : { authorization: `Bearer ${token}` },
  );
  if (response.status !== 200)
    throw new CommandError(response.status === 400 ? 'usage' : 'false', await refusalText(response));
  const answer = (await response.json()) as SweepAnswer;
  const found = answer.parameter ?? [];
  if (options.json === true) printJson(answer);
  else {
    for (const { name, valueInteger, valueDecimal, part } of found)
      if (part === undefined) print(`${name}: ${valueInteger ?? valueDecimal ?? ''}`);
    const findings = found.flatMap(({ part }) => (part === undefined ? [] : [part]));
    if (findings.length > 0) printTable([['VERSION', 'REASON'], ...findings.map(rowOf)]);
  }
  const count = (name: string): number => found.find((one) => one.name === name)?.valueInteger ?? 0;
  if (NO_MATCH.some((name) => count(name) > 0)) return 1;
  const coverage = found.find(({ name }) => name === 'coverage')?.valueDecimal ?? 0;
  return count('unreachable') > 0 || coverage < 100 ? 3 : 0;
}

function rowOf(part: readonly { name: string; valueString?: string; valueCode?: string }[]): string[] {
  const text = (name: string): string => {
    const found = part.find((one) => one.name === name);
    return found?.valueString ?? found?.valueCode ?? '';
  };
  return [text('version'), text('reason')];
}
