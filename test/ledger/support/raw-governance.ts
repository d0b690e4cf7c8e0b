import { sha256 } from '../../../src/hash.ts';
import { canonicalJsonBytes } from '../../../src/ledger/canonical-json.ts';
import type { LedgerJson } from '../../../src/ledger/canonical-json.ts';
import { encodeBase64, encodeBase64Url, encodeHex, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { encodeFrame } from '../../../src/ledger/frame.ts';
import { buildHistory } from '../../../src/ledger/governance-history.ts';
import { signNote } from '../../../src/ledger/note.ts';
import { SmallLog } from './small-log.ts';
import type { SigningMember } from './small-log.ts';
import { nodeReader } from './trees.ts';

type Json = { readonly [name: string]: LedgerJson };

/** What of a governance record is other than it should be. */
export interface RecordChanges {
  /** Members of the body beside those of an act, or instead of them. */
  readonly body?: Json;
  /** Length that the header names. */
  readonly bytes?: number;
  readonly signer?: SigningMember;
}

/** A log whose governance records may say anything, signed as they stand: what no builder of ours would write. */
export class RawGovernance {
  readonly log: SmallLog;
  readonly #records: { readonly index: number; readonly header: Uint8Array; readonly body: Uint8Array }[] = [];
  readonly #checkpoints: Uint8Array[] = [];
  #nonces = 0;

  constructor(names: readonly string[]) {
    this.log = new SmallLog(names);
  }

  /** @returns the id of the record */
  append(member: string, act: Json, changes: RecordChanges = {}): string {
    const body = canonicalJsonBytes({ ...act, ...changes.body });
    const hash = encodeBase64(sha256(body));
    const text = `concordat/governance/v1\nlog ${this.log.origin}\nmember ${member}\nbytes ${changes.bytes ?? body.length}\nbody ${hash}\n`;
    const header = signNote(text, [(changes.signer ?? this.log.member(member)).batch]);
    const index = this.log.append(encodeFrame({ kind: 'governance', header, body }));
    this.#records.push({ index, header, body });
    return encodeHex(sha256(header));
  }

  propose(member: string, change: Json, changes: RecordChanges = {}): string {
    const nonce = encodeBase64Url(sha256(encodeUtf8(`nonce ${this.#nonces++}`)).subarray(0, 16));
    return this.append(member, { act: 'propose', change, nonce }, changes);
  }

  vote(member: string, proposal: string, changes: RecordChanges = {}): string {
    return this.append(member, { act: 'vote', proposal, vote: 'yes' }, changes);
  }

  /** A proposal by the first member, on which all others vote yes. */
  enact(change: Json, changes: RecordChanges = {}, voters = this.log.members.map(({ name }) => name)): string {
    const [proposer = '', ...others] = voters;
    const id = this.propose(proposer, change, changes);
    for (const other of others) this.vote(other, id);
    return id;
  }

  /** A cut, and the final checkpoint of its size as a step of the history. */
  cut(checkpoint: (size: number) => Uint8Array = (size) => this.log.checkpoint(size)): void {
    this.log.appendCut(this.log.members[0]?.name ?? '');
    this.#checkpoints.push(checkpoint(this.log.size));
  }

  /** The records that a piece of work appends, which the history then leaves out. */
  collect(work: () => void): readonly { readonly header: Uint8Array; readonly body: Uint8Array }[] {
    const before = this.#records.length;
    work();
    return this.#records.splice(before);
  }

  history(): Uint8Array {
    const readNode = nodeReader(this.log.leafHashes);
    return buildHistory({ records: this.#records, checkpoints: this.#checkpoints, readNode });
  }
}
