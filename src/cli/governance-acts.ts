import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { loadConfig, type Config } from '../config/config.ts';
import { parseFrame } from '../ledger/frame.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import { takeGovernance } from '../ledger/governance.ts';
import type { GovernancePlace } from '../ledger/governance-ahead.ts';
import type { Change } from '../ledger/governance-change.ts';
import { buildGovernance, proposalNonce } from '../ledger/governance-record.ts';
import type { GovernanceAct } from '../ledger/governance-record.ts';
import { batchSigner, makeKeyring } from '../ledger/keyring.ts';
import { parseSignerKey, type NoteSigner } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';
import { assentToEpoch } from './epoch-assent.ts';
import { addChangeOptions, changeFrom } from './governance-change-options.ts';
import type { ChangeOptions } from './governance-change-options.ts';
import { assertProposalName, findProposal } from './governance-proposal.ts';
import { refusalOf } from './governance-refusal.ts';
import { currentStanding } from './governance-standing.ts';
import { print, printJson } from './print.ts';
import { readInput } from './read-input.ts';
import { runAction } from './run-action.ts';
import { hasStoredLedger, withStoredLedger } from './stored-ledger.ts';
import { withTopic } from './with-topic.ts';

interface ActOptions {
  readonly config: string;
  readonly newGenesis?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly unchecked?: boolean;
}

const OUT = 'write the signed record there instead of to the topic: for an epoch, where the topic is what has failed';
const UNCHECKED = 'send also where the own replica is not there or lags, so that it is not known what members will say';

export function proposeCommand(governance: Command): void {
  const command = governance.command('propose').description('propose a change; proposing is voting yes');
  addChangeOptions(command)
    .requiredOption('--config <file>', "this member's configuration: its batch key signs, its topic carries")
    .option('--out <file>', OUT)
    .option('--unchecked', UNCHECKED)
    .option('--json', 'for programs')
    .action(
      runAction(async (kind: string, options: ActOptions & ChangeOptions) => {
        const config = loadConfig(options.config);
        const change = changeFrom(kind, options, originOf(config));
        const act = { act: 'propose', change, nonce: proposalNonce(new Uint8Array(randomBytes(16))) } as const;
        const standing = await standingOf(config, options);
        const signer = signerFor(config, standing, act);
        assent(config, change, options);
        const id = await publish({ config, options, standing, signer }, act);
        if (options.json === true) printJson({ proposal: id });
        else print(`proposed: ${id}`);
      }),
    );
}

export function voteCommand(governance: Command): void {
  governance
    .command('vote')
    .description('vote on a proposal; the first word of a member counts')
    .argument('<proposal>', 'its id, or 8 digits or more of how it begins; or the record that `propose --out` wrote')
    .addArgument(new Argument('[vote]', 'yes or no').choices(['yes', 'no']).default('yes'))
    .requiredOption('--config <file>', "this member's configuration")
    .option(
      '--new-genesis <file>',
      'on open-epoch: the genesis file that is agreed to; it is compared with the own replica',
    )
    .option('--out <file>', OUT)
    .option('--unchecked', UNCHECKED)
    .action(
      runAction(async (named: string, vote: 'yes' | 'no', options: ActOptions) => {
        const config = loadConfig(options.config);
        assertProposalName(named);
        const standing = await standingOf(config, options);
        const { id, change } = await findProposal(config, named, standing?.state);
        const act = { act: 'vote', proposal: id, vote } as const;
        const signer = signerFor(config, standing, act);
        if (vote === 'yes') assent(config, change, options);
        await publish({ config, options, standing, signer }, act);
        print(`voted ${vote}`);
        // Who named it by how it begins sees what that was.
        if (id.startsWith(named) && id !== named) print(`on: ${id}, ${change.kind}`);
      }),
    );
}

/** To sign for another log is to give this one up: that is checked and made durable before the signature exists. */
function assent(config: Config, change: Change, { newGenesis }: ActOptions): void {
  if (change.kind !== 'open-epoch') return;
  if (newGenesis === undefined) throw new CommandError('usage', 'agreeing to open-epoch needs --new-genesis');
  assentToEpoch(config, change, readInput(newGenesis));
}

/** What is written to a file puts nothing on the ledger, and the topic may be what has failed: nothing is asked then. */
function standingOf(config: Config, { out, unchecked }: ActOptions): Promise<GovernancePlace | undefined> {
  return out === undefined ? currentStanding(config, unchecked === true) : Promise.resolve(undefined);
}

/**
 * Before anything is signed or given up.
 * @returns what will sign @throws {CommandError} false: members would refuse it, or it would not count
 */
function signerFor(config: Config, standing: GovernancePlace | undefined, act: GovernanceAct): NoteSigner {
  const refusal = standing && refusalOf(standing, { member: config.member, act });
  if (refusal !== undefined) throw new CommandError('false', `nothing was sent: ${refusal}`);
  return signerInForce(config, standing);
}

interface Sending {
  readonly config: Config;
  readonly options: ActOptions;
  readonly standing: GovernancePlace | undefined;
  readonly signer: NoteSigner;
}

/** Signs and appends to the configured topic; whether it counts, `show` tells once it was read back. */
async function publish({ config, options, standing, signer }: Sending, act: GovernanceAct): Promise<string> {
  const { frame, id } = buildGovernance({ log: originOf(config), member: config.member, act, signer });
  if (options.out !== undefined) writeFileSync(options.out, frame);
  else {
    assertAccepted(frame, standing);
    await withTopic(config, (topic) => topic.append(frame));
  }
  return id;
}

/** The very bytes that go out, judged as every member will. @throws {CommandError} false */
function assertAccepted(record: Uint8Array, standing: GovernancePlace | undefined): void {
  const frame = parseFrame(record);
  if (standing === undefined || frame === undefined) return;
  const { verdict } = takeGovernance(standing.state, frame, standing.size);
  if (verdict !== 'accepted')
    throw new CommandError('false', `nothing was sent: every member would refuse it as ${verdict}`);
}

/**
 * The key that counts for the next record, or where the own replica stands: after a rotation it is the next one; the configured one while there is no replica.
 * @throws {CommandError} false: none does, and what it signed would be refused by every member
 */
function signerInForce(config: Config, standing: GovernancePlace | undefined): NoteSigner {
  const { keys, nextKeys } = config.ledger;
  const held = [keys, ...(nextKeys === undefined ? [] : [nextKeys])].map(({ batch, origin, cosigner }) => {
    return { batch: batch.reveal(), origin: origin.reveal(), cosigner: cosigner.reveal() };
  });
  if (standing === undefined && !hasStoredLedger(config)) return parseSignerKey(keys.batch.reveal());
  const keyring = makeKeyring(originOf(config), config.member, held);
  const { state, size } =
    standing ?? withStoredLedger(config, ({ governance, replica }) => ({ state: governance, size: replica.head.size }));
  const signer = batchSigner(keyring, state, config.member, size);
  if (signer === undefined)
    throw new CommandError(
      'false',
      standing === undefined
        ? `${config.member} is no active member of this log, or the configuration has none of its keys in force`
        : `nothing was sent: the configuration has none of the keys of ${config.member} that are in force; see \`check-config\``,
    );
  return signer;
}

function originOf(config: Config): string {
  return parseGenesis(readInput(config.ledger.genesis)).origin;
}
