import { parseBatchHeader } from './batch.ts';
import { sha256 } from '../hash.ts';
import type { Replica } from './replica.ts';

/**
 * Where each writer's chain stood in the old log's last final tree: SHA-256 of its last header there, by `<member>/<writer>`. In the log that goes on from it, that is
 * the `prev` of the writer's batch 1, so that nothing final can be left out on the way; what was not final is sealed anew.
 * @param size of the old log's last final checkpoint
 */
export function epochHeads(replica: Replica, size: number): ReadonlyMap<string, Uint8Array> {
  const heads = new Map<string, Uint8Array>();
  for (let index = 0; index < size; index++) {
    const record = replica.leaves.record(index);
    if (record.type !== 'batch' || record.verdict !== 'accepted') continue;
    const header = replica.leaves.header(record);
    const { member, writer } = parseBatchHeader(header);
    heads.set(`${member}/${writer}`, sha256(header));
  }
  return heads;
}
