import { existsSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { sha256 } from '../hash.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { readOrUndefined } from '../ledger/format-error.ts';
import { parseFrame } from '../ledger/frame.ts';
import type { Change } from '../ledger/governance-change.ts';
import { parseGovernance } from '../ledger/governance-record.ts';
import type { Topic } from '../ledger/transport.ts';
import { CommandError } from './command-error.ts';
import { readInput } from './read-input.ts';
import { withStoredLedger } from './stored-ledger.ts';
import { withTopic } from './with-topic.ts';

export interface FoundProposal {
  readonly id: string;
  readonly change: Change;
}

const READ_BYTES = 1 << 20;

/**
 * What a vote is about: nobody signs for what it has not seen.
 * @param named its id, or the file of its record
 * @throws {CommandError} usage | unreadable | not-reachable | false: the ledger has no such proposal
 */
export async function findProposal(config: Config, named: string): Promise<FoundProposal> {
  if (!/^[0-9a-f]{64}$/.test(named)) {
    if (!existsSync(named))
      throw new CommandError('usage', 'a proposal is named by its id of 64 hex digits, or by the file of its record');
    const found = proposalIn(readInput(named));
    if (found === undefined) throw new CommandError('unreadable', `${named}: no proposal`);
    return found;
  }
  const stored = storedProposal(config, named);
  if (stored.found !== undefined) return stored.found;
  // It may have come since the own gateway last looked, or the gateway may be down.
  const found = await withTopic(config, (topic) => readProposal(topic, named, stored.nextOffset));
  if (found === undefined) throw new CommandError('false', 'the ledger has no such proposal');
  return found;
}

function storedProposal(config: Config, id: string): { found: FoundProposal | undefined; nextOffset: bigint } {
  try {
    return withStoredLedger(config, ({ governance, replica }) => {
      const proposal = governance.proposals.get(id);
      return {
        found: proposal === undefined ? undefined : { id, change: proposal.change },
        nextOffset: replica.head.nextOffset,
      };
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { found: undefined, nextOffset: 0n };
  }
}

async function readProposal(topic: Topic, id: string, fromOffset: bigint): Promise<FoundProposal | undefined> {
  const endOffset = await topic.endOffset();
  for (let next = fromOffset; next < endOffset;) {
    const { records } = await topic.read({ fromOffset: next, maximumBytes: READ_BYTES, waitMs: 1000 });
    for (const { value } of records) {
      const found = proposalIn(value);
      if (found?.id === id) return found;
    }
    const last = records.at(-1);
    if (last === undefined) return undefined;
    next = last.offset + 1n;
  }
  return undefined;
}

function proposalIn(record: Uint8Array): FoundProposal | undefined {
  const frame = parseFrame(record);
  if (frame?.kind !== 'governance') return undefined;
  const act = readOrUndefined(() => parseGovernance(frame).act);
  return act?.act === 'propose' ? { id: encodeHex(sha256(frame.header)), change: act.change } : undefined;
}
