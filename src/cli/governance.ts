import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { pino } from 'pino';
import { loadConfig } from '../config/config.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { buildGovernance, proposalNonce } from '../ledger/governance-record.ts';
import type { GovernanceAct } from '../ledger/governance-record.ts';
import type { GovernanceReport, ProposalReport } from '../ledger/governance-report.ts';
import { parseSignerKey } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';
import { gatewayBase, get } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { epochCommand } from './governance-epoch.ts';
import { addChangeOptions, changeFrom } from './governance-change-options.ts';
import type { ChangeOptions } from './governance-change-options.ts';
import { memberFile } from './member-file.ts';
import { print, printJson, printTable } from './print.ts';
import { readInput } from './read-input.ts';
import { runAction } from './run-action.ts';

interface AskOptions extends GatewayOptions {
  readonly json?: boolean;
}

interface ActOptions {
  readonly config: string;
  readonly out?: string;
  readonly json?: boolean;
}

const OUT = 'write the signed record there instead of to the topic: for an epoch, where the topic is what has failed';

/** `concordat governance …`: what the members decide together, on the ledger. */
export function governanceCommand(program: Command): void {
  const governance = program
    .command('governance')
    .description('propose changes to the consortium, vote on them, and see what is in force');
  asking(governance.command('list').description('members, what is in force, and all proposals')).action(
    runAction(async (options: AskOptions) => {
      const report = await fetchReport(options);
      if (options.json === true) printJson(report);
      else listText(report);
    }),
  );
  asking(
    governance.command('show').description('one proposal').argument('<proposal>', 'its id, or how it begins'),
  ).action(
    runAction(async (id: string, options: AskOptions) => {
      const proposal = found(await fetchReport(options), id);
      if (options.json === true) printJson(proposal);
      else showText(proposal);
    }),
  );
  proposing(governance);
  voting(governance);
  accepting(governance);
  epochCommand(governance);
}

function proposing(governance: Command): void {
  const command = governance.command('propose').description('propose a change; proposing is voting yes');
  addChangeOptions(command)
    .requiredOption('--config <file>', "this member's configuration: its batch key signs, its topic carries")
    .option('--out <file>', OUT)
    .option('--json', 'for programs')
    .action(
      runAction(async (kind: string, options: ActOptions & ChangeOptions) => {
        const change = changeFrom(
          kind,
          options,
          parseGenesis(readInput(loadConfig(options.config).ledger.genesis)).origin,
        );
        const nonce = proposalNonce(new Uint8Array(randomBytes(16)));
        const id = await publish(options, { act: 'propose', change, nonce });
        if (options.json === true) printJson({ proposal: id });
        else print(`proposed: ${id}`);
      }),
    );
}

function voting(governance: Command): void {
  governance
    .command('vote')
    .description('vote on a proposal; the first word of a member counts')
    .argument('<proposal>', 'its whole id')
    .addArgument(new Argument('[vote]', 'yes or no').choices(['yes', 'no']).default('yes'))
    .requiredOption('--config <file>', "this member's configuration")
    .option('--out <file>', OUT)
    .action(
      runAction(async (proposal: string, vote: 'yes' | 'no', options: ActOptions) => {
        if (!/^[0-9a-f]{64}$/.test(proposal)) throw new CommandError('usage', 'a proposal id is 64 hex digits');
        await publish(options, { act: 'vote', proposal, vote });
        print(`voted ${vote}`);
      }),
    );
}

function accepting(governance: Command): void {
  governance
    .command('accept')
    .description(
      "make the member file for `propose admit` or `rotate-key`: a member's public keys, and its signature under them",
    )
    .requiredOption('--origin <name>', 'name of the log')
    .requiredOption('--member <name>', 'the member, as it is or will be')
    .requiredOption('--keys <dir>', 'folder with batch.key, origin.key, cosigner.key and agreement.key')
    .requiredOption('--out <file>', 'where the member file goes; it holds no secret')
    .action(
      runAction(async (options: { origin: string; member: string; keys: string; out: string }) => {
        writeFileSync(options.out, memberFile({ origin: options.origin, name: options.member, keyDir: options.keys }));
        print(options.out);
      }),
    );
}

function asking(command: Command): Command {
  return command
    .option('--url <url>', "a member's gateway, e.g. http://127.0.0.1:8080")
    .option('--config <file>', 'take the address from a configuration')
    .option('--json', 'for programs');
}

async function fetchReport(options: AskOptions): Promise<GovernanceReport> {
  const response = await get(`${gatewayBase(options)}/ledger/governance`);
  if (response.status !== 200) throw new CommandError('not-reachable', `the gateway answered ${response.status}`);
  return (await response.json()) as GovernanceReport;
}

function found({ proposals }: GovernanceReport, id: string): ProposalReport {
  const matching = proposals.filter((proposal) => proposal.id.startsWith(id));
  const [proposal] = matching;
  if (proposal === undefined) throw new CommandError('false', 'there is no such proposal');
  if (matching.length > 1) throw new CommandError('usage', 'several proposals begin like this');
  return proposal;
}

/** Signs with the configured batch key and appends to the configured topic; whether it counts, `show` tells once it was read back. */
async function publish(options: ActOptions, act: GovernanceAct): Promise<string> {
  const config = loadConfig(options.config);
  const { origin } = parseGenesis(readInput(config.ledger.genesis));
  const signer = parseSignerKey(config.ledger.keys.batch.reveal());
  const { frame, id } = buildGovernance({ log: origin, member: config.member, act, signer });
  if (options.out !== undefined) {
    writeFileSync(options.out, frame);
    return id;
  }
  const { openTopic } = await import('../main/open-topic.ts');
  const topic = openTopic(config.ledger.topic, pino({ level: 'silent' }));
  try {
    await topic.connect();
    await topic.append(frame);
  } catch (cause) {
    throw new CommandError(
      'not-reachable',
      'the topic took no record; see with `governance list` before trying again',
      { cause },
    );
  } finally {
    await topic.close();
  }
  return id;
}

function listText(report: GovernanceReport): void {
  print(`log: ${report.origin}${report.closed === null ? '' : `, ended by ${report.closed}`}`);
  print(`members: ${report.members.map(({ name, active }) => (active ? name : `${name} (suspended)`)).join(', ')}`);
  print(
    `quorum: ${report.quorum}, by the rule of more than ${report.quorumRule.numerator}/${report.quorumRule.denominator}`,
  );
  const ruleSet = report.ruleSets.at(-1);
  if (ruleSet !== undefined) print(`rule set: ${ruleSet.index}, ${ruleSet.digest}`);
  if (report.proposals.length === 0) return;
  printTable([
    ['proposal', 'by', 'change', 'yes', 'status'],
    ...report.proposals.map((proposal) => [
      proposal.id.slice(0, 12),
      proposal.proposer,
      kindOf(proposal),
      `${proposal.yes.length} of ${proposal.needed}`,
      proposal.inForceFrom === null ? proposal.status : `in force from ${proposal.inForceFrom}`,
    ]),
  ]);
}

function showText(proposal: ProposalReport): void {
  print(`proposal: ${proposal.id}`);
  print(`status: ${proposal.inForceFrom === null ? proposal.status : `in force from size ${proposal.inForceFrom}`}`);
  print(`by: ${proposal.proposer}, leaf ${proposal.leafIndex}`);
  print(`yes: ${proposal.yes.join(', ')} (${proposal.needed} needed)`);
  if (proposal.no.length > 0) print(`no: ${proposal.no.join(', ')}`);
  if (proposal.open.length > 0) print(`not voted: ${proposal.open.join(', ')}`);
  printJson(proposal.change);
}

function kindOf({ change }: ProposalReport): string {
  const { kind, member } = change as { readonly kind: string; readonly member?: string | { readonly name: string } };
  if (member === undefined) return kind;
  return `${kind} ${typeof member === 'string' ? member : member.name}`;
}
