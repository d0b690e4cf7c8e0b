import type { Config } from '../config/config.ts';
import { governanceAfter, type GovernancePlace } from '../ledger/governance-ahead.ts';
import { CommandError } from './command-error.ts';
import { hasStoredLedger, withStoredLedger } from './stored-ledger.ts';
import { topicRecords, withTopic } from './with-topic.ts';

/** A gateway that runs is behind by a second's records; more than this is one that stands still or has just begun. */
const MAXIMUM_RECORDS_BEHIND = 5000n;

/**
 * Governance as it will stand for the next record of the topic: the own replica, and the records that it has not taken yet.
 * @throws {CommandError} incomplete: there is no replica, or it lags too far, and `unchecked` does not allow for it; not-reachable
 * @returns undefined where it is not known and need not be
 */
export async function currentStanding(config: Config, unchecked: boolean): Promise<GovernancePlace | undefined> {
  const found = await readStanding(config);
  if (typeof found !== 'string') return found;
  if (unchecked) return undefined;
  const remedy = 'wait until this gateway has read the log, or send it all the same with --unchecked';
  throw new CommandError(
    'incomplete',
    `${found}: whether members would accept this could not be checked, and nothing was sent; ${remedy}`,
  );
}

/** @returns in words, why it is not known */
async function readStanding(config: Config): Promise<GovernancePlace | string> {
  const stored = hasStoredLedger(config)
    ? withStoredLedger(config, ({ governance, replica }) => {
        const { size, cuts, nextOffset } = replica.head;
        return { place: { state: governance, size, cuts }, fromOffset: nextOffset };
      })
    : undefined;
  return withTopic(config, async (topic) => {
    const endOffset = await topic.endOffset();
    if (stored === undefined) return `this gateway has no replica of the log yet, which has ${endOffset} records`;
    const { place, fromOffset } = stored;
    const behind = endOffset - fromOffset;
    if (behind < 0n) return `the topic ends ${-behind} records before where the own replica has read it`;
    if (behind > MAXIMUM_RECORDS_BEHIND) return `the own replica is ${behind} records behind the topic`;
    let standing: GovernancePlace = place;
    for await (const value of topicRecords(topic, fromOffset, endOffset)) standing = governanceAfter(standing, value);
    return standing;
  });
}
