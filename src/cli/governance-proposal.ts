import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { sha256 } from '../hash.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { readOrUndefined } from '../ledger/format-error.ts';
import { parseFrame } from '../ledger/frame.ts';
import type { Change } from '../ledger/governance-change.ts';
import { parseGovernance } from '../ledger/governance-record.ts';
import type { GovernanceState } from '../ledger/governance-state.ts';
import type { Topic } from '../ledger/transport.ts';
import { CommandError } from './command-error.ts';
import { readInput } from './read-input.ts';
import { hasStoredLedger, withStoredLedger } from './stored-ledger.ts';
import { topicRecords, withTopic } from './with-topic.ts';

export interface FoundProposal {
  readonly id: string;
  readonly change: Change;
}

const ID_DIGITS = 64;

/** An id, or enough of how it begins not to be met by chance. */
const ID = /^[0-9a-f]{8,64}$/;

/** @throws {CommandError} usage: neither an id, nor its beginning, nor a file */
export function assertProposalName(named: string): void {
  if (!ID.test(named) && !existsSync(named))
    throw new CommandError(
      'usage',
      'a proposal is named by its id, by its first 8 hex digits or more, or by the file of its record',
    );
}

/**
 * What a vote is about: nobody signs for what it has not seen.
 * @param named its id, or how it begins, or the file of its record
 * @param state governance up to the end of the topic, where that is known
 * @throws {CommandError} usage: several begin like this | unreadable | not-reachable | false: the ledger has no such proposal
 */
export async function findProposal(
  config: Config,
  named: string,
  state: GovernanceState | undefined,
): Promise<FoundProposal> {
  if (!ID.test(named) || (named.length < ID_DIGITS && existsSync(named))) {
    const found = proposalIn(readInput(named));
    if (found === undefined) throw new CommandError('unreadable', `${named}: no proposal`);
    return found;
  }
  if (state !== undefined) return onlyOne(named, beginning(state, named));
  const stored = storedProposals(config, named);
  if (stored.found.length > 0) return onlyOne(named, stored.found);
  // It may have come since the own gateway last looked, or the gateway may be down.
  return onlyOne(named, await withTopic(config, (topic) => readProposals(topic, named, stored.nextOffset)));
}

/** The one of several that is named. @throws {CommandError} usage: more than one begins like this; false: there is none */
export function onlyOne<T extends { readonly id: string }>(named: string, found: readonly T[]): T {
  const [first, ...more] = found.filter(({ id }, i) => found.findIndex((other) => other.id === id) === i);
  if (first === undefined) throw new CommandError('false', `the ledger has no such proposal: ${named}`);
  if (more.length > 0)
    throw new CommandError(
      'usage',
      `several proposals begin like this: ${[first, ...more].map(({ id }) => id).join(' ')}`,
    );
  return first;
}

function beginning({ proposals }: GovernanceState, named: string): readonly FoundProposal[] {
  return [...proposals.values()].filter(({ id }) => id.startsWith(named));
}

function storedProposals(config: Config, named: string): { found: readonly FoundProposal[]; nextOffset: bigint } {
  if (!hasStoredLedger(config)) return { found: [], nextOffset: 0n };
  return withStoredLedger(config, ({ governance, replica }) => {
    return { found: beginning(governance, named), nextOffset: replica.head.nextOffset };
  });
}

async function readProposals(topic: Topic, named: string, fromOffset: bigint): Promise<readonly FoundProposal[]> {
  const found: FoundProposal[] = [];
  for await (const value of topicRecords(topic, fromOffset, await topic.endOffset())) {
    const proposal = proposalIn(value);
    if (proposal?.id.startsWith(named) === true) found.push(proposal);
  }
  return found;
}

function proposalIn(record: Uint8Array): FoundProposal | undefined {
  const frame = parseFrame(record);
  if (frame?.kind !== 'governance') return undefined;
  const act = readOrUndefined(() => parseGovernance(frame).act);
  return act?.act === 'propose' ? { id: encodeHex(sha256(frame.header)), change: act.change } : undefined;
}
