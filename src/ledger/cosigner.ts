import { formatCheckpoint, type Checkpoint } from './checkpoint.ts';
import { cosign } from './cosignature.ts';
import type { CosignerStore } from './cosigner-store.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { formatNote, signText, type NoteSignature } from './note.ts';
import type { NoteSigner } from './note-key.ts';
import type { Replica } from './replica.ts';

/** How long a cosignature's time is fresh: the same tree asked for again within it gets the same signature. */
const FRESH_MS = 10_000;

export interface CosignerOptions {
  readonly origin: string;
  /** The member's keys in force for a size; undefined while there are none. */
  readonly signers: (size: number) => { readonly origin: NoteSigner; readonly cosigner: NoteSigner } | undefined;
  readonly store: CosignerStore;
  /** The largest tree that others show this member's signature for. */
  readonly shown: () => Checkpoint | undefined;
  readonly replica: Replica;
  readonly clock: () => number;
}

export type SignResult =
  | { readonly state: 'signed'; readonly note: Uint8Array; readonly checkpoint: Checkpoint }
  /** Nothing to sign, or not yet. */
  | { readonly state: 'waiting' }
  /** The own replica no longer contains what was signed: signing would contradict it. */
  | { readonly state: 'contradiction'; readonly signedSize: number };

/** Signs trees of the own durable replica, each size at most once with one root, never a smaller one than before. */
export class Cosigner {
  readonly #options: CosignerOptions;
  #allowed = false;
  #latest: { readonly checkpoint: Checkpoint; readonly note: Uint8Array; readonly atMs: number } | undefined;

  constructor(options: CosignerOptions) {
    this.#options = options;
  }

  /** Whether what was last signed is known; nothing is signed before. */
  get allowed(): boolean {
    return this.#allowed;
  }

  allow(): void {
    this.#allowed = true;
  }

  get lastSize(): number {
    return this.#options.store.last(this.#options.origin)?.size ?? 0;
  }

  /** Takes a tree that is known to have been signed by this member into a store that has forgotten it. */
  adopt(checkpoint: Checkpoint): void {
    const { store, origin, clock } = this.#options;
    const last = store.last(origin);
    if (last !== undefined && last.size >= checkpoint.size) return;
    store.advance(origin, last, { size: checkpoint.size, root: checkpoint.root, timeMs: clock() });
  }

  /** @param size at most the replica's durable size: every leaf below has its header, its body or its verdict */
  sign(size: number): SignResult {
    const { store, origin, replica, clock } = this.#options;
    const signers = this.#options.signers(size);
    if (signers === undefined || !this.#allowed || size < 1 || size > replica.durableSize || store.isClosed(origin))
      return { state: 'waiting' };
    const shown = this.#options.shown();
    if (shown !== undefined && shown.size > this.lastSize) {
      // The memory is older than what it signed, as after a copy was put back: what is shown is part of it, or nothing is signed.
      if (shown.size > replica.durableSize) return { state: 'waiting' };
      if (!sameHash(replica.tree.root(shown.size), shown.root))
        return { state: 'contradiction', signedSize: shown.size };
      this.adopt(shown);
    }
    const last = store.last(origin);
    if (last !== undefined && last.size > size) return { state: 'waiting' };
    if (last !== undefined && !sameHash(replica.tree.root(last.size), last.root))
      return { state: 'contradiction', signedSize: last.size };
    const checkpoint = { origin, size, root: replica.tree.root(size) };
    const nowMs = clock();
    const latest = this.#latest;
    if (
      latest?.checkpoint.size === size &&
      sameHash(latest.checkpoint.root, checkpoint.root) &&
      nowMs - latest.atMs < FRESH_MS
    )
      return { state: 'signed', ...latest };
    // A crash after this leaves a size that nobody saw signed: the same tree is signed again at the next start.
    if (!store.advance(origin, last, { size, root: checkpoint.root, timeMs: nowMs })) return { state: 'waiting' };
    const text = formatCheckpoint(checkpoint);
    const cosignature = cosign(text, signers.cosigner, Math.floor(nowMs / 1000));
    const note = formatNote(text, [signText(text, signers.origin), cosignature]);
    this.#latest = { checkpoint, note, atMs: nowMs };
    return { state: 'signed', checkpoint, note };
  }

  /** The origin signature alone, over a tree that the own replica has; undefined while no origin key is in force for it. */
  signOrigin(checkpoint: Checkpoint): NoteSignature | undefined {
    const { store, origin } = this.#options;
    const signers = store.isClosed(origin) ? undefined : this.#options.signers(checkpoint.size);
    return signers && signText(formatCheckpoint(checkpoint), signers.origin);
  }
}
