import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { GovernanceReport, ProposalReport } from '../ledger/governance-report.ts';
import { CommandError } from './command-error.ts';
import { gatewayBase, get } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { epochCommand } from './governance-epoch.ts';
import { nextGenesisCommand } from './governance-next-genesis.ts';
import { proposeCommand, voteCommand } from './governance-acts.ts';
import { onlyOne } from './governance-proposal.ts';
import { memberFile } from './member-file.ts';
import { print, printJson, printTable } from './print.ts';
import { runAction } from './run-action.ts';

interface AskOptions extends GatewayOptions {
  readonly json?: boolean;
}

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
      const { proposals } = await fetchReport(options);
      const proposal = onlyOne(
        id,
        proposals.filter((each) => each.id.startsWith(id)),
      );
      if (options.json === true) printJson(proposal);
      else showText(proposal);
    }),
  );
  proposeCommand(governance);
  voteCommand(governance);
  accepting(governance);
  nextGenesisCommand(governance);
  epochCommand(governance);
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
  const report: unknown = await response.json().catch(() => undefined);
  if (typeof report !== 'object' || report === null || !('proposals' in report))
    throw new CommandError('not-reachable', `what answers at ${gatewayBase(options)} gives no governance report`);
  return report as GovernanceReport;
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
