import { parseSignedCheckpoint } from '../ledger/checkpoint.ts';
import type { ParsedCheckpoint } from '../ledger/checkpoint.ts';
import { evaluatePolicy, parsePolicy, policyKeys } from '../ledger/policy.ts';
import { openNote } from '../ledger/note.ts';
import { HASH_LENGTH, treeRoot } from '../ledger/merkle/tree-hash.ts';
import { TILE_WIDTH, formatTilePath } from '../ledger/tile.ts';

/** Reads a member's ledger over HTTP as anybody could, and believes nothing that it has not computed. */
export class LedgerReader {
  readonly #url: string;

  /** @param url base, without a final slash */
  constructor(url: string) {
    this.#url = url;
  }

  policy(): Promise<string> {
    return this.#text('policy');
  }

  /** The latest final checkpoint, with its quorum checked against the policy; undefined while there is none. @throws {VerificationError | FormatError} */
  async finalCheckpoint(policyText: string): Promise<ParsedCheckpoint | undefined> {
    const response = await this.#get('checkpoint');
    if (response.status === 404) return undefined;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const policy = parsePolicy(policyText);
    const { checkpoint } = parseSignedCheckpoint(bytes);
    evaluatePolicy(policy, checkpoint.origin, openNote(bytes, policyKeys(policy)).verified);
    return checkpoint;
  }

  /**
   * Root of this member's own tree at a size, computed from the leaf hashes that it serves.
   * @param size at most `servedSize`
   * @param servedSize size of a checkpoint that it serves
   */
  async rootAt(size: number, servedSize: number): Promise<Uint8Array> {
    const hashes: Uint8Array[] = [];
    for (let index = 0; hashes.length < size; index++) {
      const width = Math.min(TILE_WIDTH, servedSize - index * TILE_WIDTH);
      const response = await this.#get(
        formatTilePath({ level: 0, index, width: width === TILE_WIDTH ? undefined : width }),
      );
      const tile = new Uint8Array(await response.arrayBuffer());
      for (let at = 0; at < tile.length && hashes.length < size; at += HASH_LENGTH)
        hashes.push(tile.subarray(at, at + HASH_LENGTH));
      if (tile.length !== width * HASH_LENGTH) throw new RangeError('a tile has the wrong length');
    }
    return treeRoot(hashes);
  }

  /** The receipt of an event, or undefined while it is not final. */
  async receipt(eventId: string): Promise<string | undefined> {
    const response = await this.#get(`receipt/${eventId}`);
    return response.status === 200 ? response.text() : undefined;
  }

  async #text(path: string): Promise<string> {
    const response = await this.#get(path);
    if (response.status !== 200) throw new RangeError(`${path}: answered ${response.status}`);
    return response.text();
  }

  #get(path: string): Promise<Response> {
    return fetch(`${this.#url}/${path}`, { signal: AbortSignal.timeout(20_000) });
  }
}
