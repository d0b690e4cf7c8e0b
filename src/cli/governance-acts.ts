import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Argument } from 'commander';
import type { Command } from 'commander';
import { loadConfig, type Config } from '../config/config.ts';
import { parseGenesis } from '../ledger/genesis.ts';
import type { Change } from '../ledger/governance-change.ts';
import { buildGovernance, proposalNonce } from '../ledger/governance-record.ts';
import type { GovernanceAct } from '../ledger/governance-record.ts';
import { batchSigner, makeKeyring } from '../ledger/keyring.ts';
import { parseSignerKey, type NoteSigner } from '../ledger/note-key.ts';
import { CommandError } from './command-error.ts';
import { assentToEpoch } from './epoch-assent.ts';
import { addChangeOptions, changeFrom } from './governance-change-options.ts';
import type { ChangeOptions } from './governance-change-options.ts';
import { findProposal } from './governance-proposal.ts';
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
}

const OUT = 'write the signed record there instead of to the topic: for an epoch, where the topic is what has failed';

export function proposeCommand(governance: Command): void {
  const command = governance.command('propose').description('propose a change; proposing is voting yes');
  addChangeOptions(command)
    .requiredOption('--config <file>', "this member's configuration: its batch key signs, its topic carries")
    .option('--out <file>', OUT)
    .option('--json', 'for programs')
    .action(
      runAction(async (kind: string, options: ActOptions & ChangeOptions) => {
        const config = loadConfig(options.config);
        const change = changeFrom(kind, options, originOf(config));
        assent(config, change, options);
        const nonce = proposalNonce(new Uint8Array(randomBytes(16)));
        const id = await publish(config, options, { act: 'propose', change, nonce });
        if (options.json === true) printJson({ proposal: id });
        else print(`proposed: ${id}`);
      }),
    );
}

export function voteCommand(governance: Command): void {
  governance
    .command('vote')
    .description('vote on a proposal; the first word of a member counts')
    .argument('<proposal>', 'its whole id, or the record that `propose --out` wrote')
    .addArgument(new Argument('[vote]', 'yes or no').choices(['yes', 'no']).default('yes'))
    .requiredOption('--config <file>', "this member's configuration")
    .option(
      '--new-genesis <file>',
      'on open-epoch: the genesis file that is agreed to; it is compared with the own replica',
    )
    .option('--out <file>', OUT)
    .action(
      runAction(async (named: string, vote: 'yes' | 'no', options: ActOptions) => {
        const config = loadConfig(options.config);
        const { id, change } = await findProposal(config, named);
        if (vote === 'yes') assent(config, change, options);
        await publish(config, options, { act: 'vote', proposal: id, vote });
        print(`voted ${vote}`);
      }),
    );
}

/** To sign for another log is to give this one up: that is checked and made durable before the signature exists. */
function assent(config: Config, change: Change, { newGenesis }: ActOptions): void {
  if (change.kind !== 'open-epoch') return;
  if (newGenesis === undefined) throw new CommandError('usage', 'agreeing to open-epoch needs --new-genesis');
  assentToEpoch(config, change, readInput(newGenesis));
}

/** Signs with the batch key in force and appends to the configured topic; whether it counts, `show` tells once it was read back. */
async function publish(config: Config, { out }: ActOptions, act: GovernanceAct): Promise<string> {
  const { frame, id } = buildGovernance({
    log: originOf(config),
    member: config.member,
    act,
    signer: signerInForce(config),
  });
  if (out === undefined) await withTopic(config, (topic) => topic.append(frame));
  else writeFileSync(out, frame);
  return id;
}

/**
 * The key that counts where the own replica stands: after a rotation it is the next one; the configured one while there is no replica.
 * @throws {CommandError} false: none does, and what it signed would be refused by every member
 */
function signerInForce(config: Config): NoteSigner {
  const { keys, nextKeys } = config.ledger;
  const held = [keys, ...(nextKeys === undefined ? [] : [nextKeys])].map(({ batch, origin, cosigner }) => {
    return { batch: batch.reveal(), origin: origin.reveal(), cosigner: cosigner.reveal() };
  });
  if (!hasStoredLedger(config)) return parseSignerKey(keys.batch.reveal());
  const keyring = makeKeyring(originOf(config), config.member, held);
  const signer = withStoredLedger(config, ({ governance, replica }) => {
    return batchSigner(keyring, governance, config.member, replica.head.size);
  });
  if (signer === undefined)
    throw new CommandError(
      'false',
      `${config.member} is no active member of this log, or the configuration has none of its keys in force`,
    );
  return signer;
}

function originOf(config: Config): string {
  return parseGenesis(readInput(config.ledger.genesis)).origin;
}
