import { parseAddCheckpoint, type AddCheckpointRequest } from './add-checkpoint.ts';
import { parseSignedCheckpoint, type ParsedCheckpoint } from './checkpoint.ts';
import type { Cosigner } from './cosigner.ts';
import type { CosignerStore } from './cosigner-store.ts';
import type { Finality } from './finality.ts';
import { FormatError } from './format-error.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { verifyConsistency } from './merkle/verify.ts';
import { formatSignatureLine, parseNote } from './note.ts';
import type { AddCheckpointResult } from './peer.ts';
import type { Replica } from './replica.ts';

export interface WitnessServerOptions {
  readonly origin: string;
  readonly replica: Replica;
  readonly finality: Finality;
  readonly store: CosignerStore;
  /** Undefined for a reader, which signs nothing. */
  readonly cosigner: Cosigner | undefined;
  /** Whether members may sign a tree of this size: it ends in an accepted cut, and no change of membership waits before it. */
  readonly maySign: (size: number) => boolean;
  /** A note that this member just signed. */
  readonly onSigned: (note: Uint8Array) => void;
}

/**
 * C2SP tlog-witness `add-checkpoint`, for this log and its members. Stricter than a plain witness: it signs only trees that its own verified replica has, and
 * answers 503 while that is still behind.
 */
export function addCheckpoint(body: Uint8Array, options: WitnessServerOptions): AddCheckpointResult {
  let request: AddCheckpointRequest;
  let checkpoint: ParsedCheckpoint;
  try {
    request = parseAddCheckpoint(body);
    checkpoint = parseSignedCheckpoint(request.note).checkpoint;
  } catch (error) {
    if (error instanceof FormatError) return { status: 400 };
    throw error;
  }
  const { origin, cosigner } = options;
  if (checkpoint.origin !== origin || cosigner === undefined) return { status: 404 };
  // Whatever becomes of the request: the signatures in it are what members signed.
  if (options.finality.absorb(request.note)?.originSigned !== true) return { status: 403 };
  const refusal = compareWithLast(request, checkpoint, options) ?? compareWithReplica(checkpoint, options);
  if (refusal !== undefined) return refusal;
  const result = cosigner.sign(checkpoint.size);
  if (result.state === 'waiting') return { status: 503 };
  if (result.state === 'contradiction') return { status: 422 };
  options.onSigned(result.note);
  const lines = parseNote(result.note).signatures.filter((line) => line.name !== origin);
  return { status: 200, cosignatures: lines.map((line) => `${formatSignatureLine(line)}\n`).join('') };
}

function compareWithLast(
  { oldSize, proof }: AddCheckpointRequest,
  checkpoint: ParsedCheckpoint,
  { store, origin }: WitnessServerOptions,
): AddCheckpointResult | undefined {
  if (oldSize > checkpoint.size) return { status: 400 };
  const last = store.last(origin);
  const lastSize = last?.size ?? 0;
  if (oldSize !== lastSize) return { status: 409, size: lastSize };
  if (last === undefined || lastSize === 0) return proof.length === 0 ? undefined : { status: 422 };
  // Without a size: to come back with it would lead nowhere.
  if (lastSize === checkpoint.size && !sameHash(last.root, checkpoint.root)) return { status: 409, size: undefined };
  try {
    verifyConsistency({ size1: lastSize, size2: checkpoint.size, root1: last.root, root2: checkpoint.root, proof });
    return undefined;
  } catch (error) {
    if (error instanceof VerificationError) return { status: 422 };
    throw error;
  }
}

function compareWithReplica(
  checkpoint: ParsedCheckpoint,
  options: WitnessServerOptions,
): AddCheckpointResult | undefined {
  const { replica } = options;
  if (checkpoint.size > replica.durableSize) return { status: 503 };
  if (!options.maySign(checkpoint.size)) return { status: 422 };
  return sameHash(replica.tree.root(checkpoint.size), checkpoint.root) ? undefined : { status: 422 };
}
