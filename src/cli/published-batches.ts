import { parseBatchBody, parseBatchHeader } from '../ledger/batch.ts';
import type { ParsedBatchHeader } from '../ledger/batch.ts';
import { parseSignedCheckpoint } from '../ledger/checkpoint.ts';
import { decodeBase64, encodeHex } from '../ledger/encoding.ts';
import { parseEntryBundle } from '../ledger/entry-bundle.ts';
import { verifyNote } from '../ledger/note.ts';
import type { VerifierKey } from '../ledger/note-key.ts';
import { parseEvent } from '../ledger/event.ts';
import { TILE_WIDTH, formatTilePath } from '../ledger/tile.ts';
import { sha256 } from '../hash.ts';
import type { PublishedBatch } from '../provenance/recover-outbox.ts';
import { CommandError } from './command-error.ts';
import { get } from './gateway-client.ts';

const LEAF = /^concordat\/leaf\/v1\n([A-Za-z0-9+/=]+)\n$/;

export interface ChainQuery {
  /** Base of any member's ledger, without a final slash. */
  readonly ledgerUrl: string;
  readonly member: string;
  readonly writer: string;
  /** The member's own key: who serves the log could otherwise make events up, and have the store forget those that wait. */
  readonly batchKey: VerifierKey;
  /** Batches up to this number are known already. */
  readonly after: number;
}

/**
 * The batches of one writer that the final log has and its store does not know, ascending. Reads the log from its end until it meets a known one. Headers must
 * be signed by the own key, and bodies have the hash that their header names.
 * @throws {CommandError} not-reachable | incomplete
 */
export async function publishedBatches(query: ChainQuery): Promise<PublishedBatch[]> {
  const checkpoint = await read(`${query.ledgerUrl}/checkpoint`);
  const { size } = parseSignedCheckpoint(checkpoint).checkpoint;
  const found: PublishedBatch[] = [];
  for (let index = Math.ceil(size / TILE_WIDTH) - 1; index >= 0; index--) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const leaves = parseEntryBundle(
      await read(
        `${query.ledgerUrl}/${formatTilePath({ level: 'entries', index, width: width === TILE_WIDTH ? undefined : width })}`,
      ),
      TILE_WIDTH,
    );
    for (let place = leaves.length - 1; place >= 0; place--) {
      const header = await ownHeader(query, leaves[place] ?? new Uint8Array());
      if (header === undefined) continue;
      if (header.parsed.batch <= query.after) return found.reverse();
      found.push(await published(query.ledgerUrl, header, index * TILE_WIDTH + place));
    }
  }
  return found.reverse();
}

interface OwnHeader {
  readonly hash: Uint8Array;
  readonly parsed: ParsedBatchHeader;
}

async function ownHeader(
  { ledgerUrl, member, writer, batchKey }: ChainQuery,
  leaf: Uint8Array,
): Promise<OwnHeader | undefined> {
  const match = LEAF.exec(Buffer.from(leaf).toString('latin1'));
  if (match === null) return undefined;
  const hash = decodeBase64(match[1] ?? '');
  const bytes = await blob(ledgerUrl, hash);
  if (!Buffer.from(bytes).subarray(0, 19).equals(Buffer.from('concordat/batch/v1\n'))) return undefined;
  const parsed = parseBatchHeader(bytes);
  if (parsed.member !== member || parsed.writer !== writer || verifyNote(parsed.note, [batchKey]).length === 0)
    return undefined;
  return { hash, parsed };
}

async function published(ledgerUrl: string, { hash, parsed }: OwnHeader, leafIndex: number): Promise<PublishedBatch> {
  const events = parseBatchBody(parsed, await blob(ledgerUrl, parsed.bodyHash));
  const eventIds = events.map((event) => parseEvent(event).id);
  return { batch: parsed.batch, headerHash: hash, firstEvent: parsed.firstEvent, leafIndex, eventIds };
}

async function blob(ledgerUrl: string, hash: Uint8Array): Promise<Uint8Array> {
  const bytes = await read(`${ledgerUrl}/blob/${encodeHex(hash)}`);
  if (!Buffer.from(sha256(bytes)).equals(Buffer.from(hash))) {
    throw new CommandError('not-reachable', 'the ledger serves bytes that are not those of its log');
  }
  return bytes;
}

async function read(url: string): Promise<Uint8Array> {
  const response = await get(url);
  if (response.status === 404) throw new CommandError('incomplete', `${new URL(url).pathname} is not there (yet)`);
  if (response.status !== 200) throw new CommandError('not-reachable', `the ledger answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
