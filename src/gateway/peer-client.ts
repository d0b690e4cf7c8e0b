import { request } from 'undici';
import type { AddCheckpointResult, HeadReport, PeerClient } from '../ledger/peer.ts';
import { MAXIMUM_PROOF_BYTES } from '../ledger/tlog-proof.ts';
import { formatTilePath } from '../ledger/tile.ts';
import { PeerError } from './peer-error.ts';

const TIMEOUT_MS = 5_000;
/** Query of a receipt that is asked for by a member: answer without asking others in turn. */
export const OWN_ONLY = 'own';
/** A receipt with the longest governance history is the largest answer. */
const MOST_BYTES = MAXIMUM_PROOF_BYTES;

/**
 * Another member's `/ledger` routes over HTTP. Nothing that comes back is believed here; size and time are bounded, redirects are not followed.
 * @param options.url the other member's ledger URL (`https://host/ledger`)
 * @param options.signal ends what is under way, as if the member could not be reached
 */
export function createPeerClient(options: {
  readonly member: string;
  readonly url: string;
  readonly signal?: AbortSignal | undefined;
}): PeerClient {
  const { signal } = options;
  const base = options.url.replace(/\/+$/, '');
  const get = (path: string): Promise<Uint8Array | undefined> => fetchBytes(`${base}/${path}`, signal);
  return {
    member: options.member,
    addCheckpoint: (body) => postCheckpoint(`${base}/add-checkpoint`, body, signal),
    checkpoint: () => get('checkpoint'),
    relay: async (frame) => isRelayed((await exchange(`${base}/relay`, { body: frame, signal })).status),
    async head(writer) {
      const bytes = await get(`head/${encodeURIComponent(writer)}`);
      return bytes === undefined ? undefined : parseHead(bytes);
    },
    blob: (hash) => get(`blob/${Buffer.from(hash).toString('hex')}`),
    tile: (level, index, width) => get(formatTilePath({ level, index, width })),
    async receipt(eventId) {
      const { status, bytes } = await exchange(`${base}/receipt/${encodeURIComponent(eventId)}?${OWN_ONLY}`, {
        signal,
      });
      if (status === 200) return { state: 'final', receipt: bytes };
      return { state: status === 202 || status === 410 ? 'known' : 'unknown' };
    },
    history: () => get('history'),
    badBodies: async () => parseLeaves(await get('bad-bodies')),
    entryBundle: (index, width) => get(formatTilePath({ level: 'entries', index, width })),
  };
}

/** Anything but a yes or a plain no (a proxy that gave up waiting) may have been carried out all the same. @throws {PeerError} refused */
function isRelayed(status: number): boolean {
  if (status === 200) return true;
  if (status === 403 || status === 404) return false;
  throw new PeerError('refused', `a peer answered a relayed batch with status ${status}`);
}

interface Exchanged {
  readonly status: number;
  readonly bytes: Uint8Array;
}

async function exchange(
  url: string,
  options: { readonly body?: Uint8Array; readonly signal: AbortSignal | undefined },
): Promise<Exchanged> {
  const { body } = options;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    const response = await request(url, { signal, method: body === undefined ? 'GET' : 'POST', body: body ?? null });
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      length += chunk.byteLength;
      if (length > MOST_BYTES) throw new PeerError('too-long', 'the answer of a peer is too long');
      chunks.push(chunk);
    }
    return { status: response.statusCode, bytes: Buffer.concat(chunks) };
  } catch (error) {
    if (error instanceof PeerError) throw error;
    throw new PeerError('unreachable', 'a peer cannot be reached', { cause: error });
  }
}

async function fetchBytes(url: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  const { status, bytes } = await exchange(url, { signal });
  if (status === 404) return undefined;
  if (status !== 200) throw new PeerError('refused', `a peer answered with status ${status}`);
  return bytes;
}

/** Posts a C2SP tlog-witness `add-checkpoint` request. @throws {PeerError} */
export async function postCheckpoint(
  url: string,
  body: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<AddCheckpointResult> {
  const { status, bytes } = await exchange(url, { body, signal });
  switch (status) {
    case 200:
      return { status, cosignatures: Buffer.from(bytes).toString('utf8') };
    case 409: {
      const size = /^(0|[1-9]\d{0,15})\n$/.exec(Buffer.from(bytes).toString('latin1'))?.[1];
      return { status, size: size === undefined ? undefined : Number(size) };
    }
    case 400:
    case 403:
    case 404:
    case 422:
    case 503:
      return { status };
    default:
      throw new PeerError('refused', `a peer answered with status ${status}`);
  }
}

function parseLeaves(bytes: Uint8Array | undefined): readonly number[] {
  const { leaves } = (bytes === undefined ? {} : parseJson(bytes)) as { leaves?: unknown };
  return Array.isArray(leaves) ? leaves.filter((leaf): leaf is number => Number.isSafeInteger(leaf)) : [];
}

/** @throws {PeerError} refused */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) ?? {};
  } catch (error) {
    throw new PeerError('refused', 'a peer answered with no JSON', { cause: error });
  }
}

function parseHead(bytes: Uint8Array): HeadReport {
  const { writer, batch } = parseJson(bytes) as { writer?: unknown; batch?: unknown };
  if (typeof writer !== 'string' || !Number.isSafeInteger(batch) || Number(batch) < 1) {
    throw new PeerError('refused', 'a peer answered with no head');
  }
  return { writer, batch: Number(batch) };
}
