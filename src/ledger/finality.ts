import { parseSignedCheckpoint, type Checkpoint } from './checkpoint.ts';
import { combineNote, CosignaturePool, type Learnt, type SignedCheckpoint } from './cosignature-pool.ts';
import { FormatError } from './format-error.ts';
import type { Membership } from './membership.ts';
import { EMPTY_ROOT, sameHash } from './merkle/tree-hash.ts';
import type { NoteSignature } from './note.ts';
import type { Replica } from './replica.ts';
import { sortable, type LedgerStorage } from './storage.ts';

export interface FinalityOptions {
  readonly origin: string;
  readonly member: string | undefined;
  readonly storage: LedgerStorage;
  readonly replica: Replica;
  /** Whose signatures count for a tree of this size. */
  readonly membershipAt: (size: number) => Membership;
  /** This member's origin signature over a tree that its own replica has; undefined for a reader. */
  readonly signOrigin: ((checkpoint: Checkpoint) => NoteSignature | undefined) | undefined;
  /** A member signed a tree that is not the own one. */
  readonly onForeignTree: (signed: SignedCheckpoint, members: readonly string[]) => void;
  readonly onFinal: (checkpoint: Checkpoint) => void;
}

/**
 * Decides which checkpoints are final: those that a quorum of members cosigned over identical bytes, and that the own durable replica has with the same root.
 * A signature for a larger tree waits in the pool until the replica is there.
 */
export class Finality {
  readonly #options: FinalityOptions;
  readonly pool: CosignaturePool;
  #latest: { readonly checkpoint: Checkpoint; readonly note: Uint8Array } | undefined;
  readonly #signedSizes = new Map<string, number>();
  readonly #reviewed = new WeakSet<SignedCheckpoint>();

  constructor(options: FinalityOptions) {
    this.#options = options;
    this.pool = new CosignaturePool(options.origin);
    const stored = options.storage.state.scan('final/', { reverse: true, limit: 1 })[0]?.value;
    if (stored !== undefined) this.#latest = { checkpoint: parseSignedCheckpoint(stored).checkpoint, note: stored };
  }

  get size(): number {
    return this.#latest?.checkpoint.size ?? 0;
  }

  get root(): Uint8Array {
    return this.#latest?.checkpoint.root ?? EMPTY_ROOT;
  }

  get note(): Uint8Array | undefined {
    return this.#latest?.note;
  }

  /** Largest tree that each member is known to have cosigned. */
  signedSize(member: string): number {
    return this.#signedSizes.get(member) ?? 0;
  }

  /** Whether a quorum cosigned this tree, whether or not the own replica has it. */
  isQuorum({ size, root }: Checkpoint): boolean {
    const membership = this.#options.membershipAt(size);
    return this.pool
      .atSize(size)
      .some(
        (signed) =>
          sameHash(signed.checkpoint.root, root) && this.pool.cosigners(signed, membership).length >= membership.quorum,
      );
  }

  /** Whether a member's cosignature over exactly this note's text is known. */
  hasCosigned(member: string, note: Uint8Array): boolean {
    const { size, root } = parseSignedCheckpoint(note).checkpoint;
    return this.pool
      .atSize(size)
      .some(
        ({ checkpoint, signatures }) =>
          sameHash(checkpoint.root, root) && signatures.get(member)?.cosignature !== undefined,
      );
  }

  /** Members that cosigned a tree which covers this leaf, as far as is known here. */
  signersOf(leafIndex: number): number {
    const members = new Set<string>();
    for (const { checkpoint, signatures } of this.pool.trees()) {
      if (checkpoint.size <= leafIndex) continue;
      for (const [name, { cosignature }] of signatures) if (cosignature !== undefined) members.add(name);
    }
    return members.size;
  }

  /** The smallest final checkpoint that covers a leaf. */
  covering(leafIndex: number): Uint8Array | undefined {
    return this.#options.storage.state.scan('final/', { from: `final/${sortable(leafIndex + 1)}`, limit: 1 })[0]?.value;
  }

  noteAt(size: number): Uint8Array | undefined {
    return this.#options.storage.state.get(`final/${sortable(size)}`);
  }

  /** The largest tree that a member is known to have cosigned. */
  largestSignedBy(member: string): Checkpoint | undefined {
    const key = this.#options.membershipAt(this.size).members.find(({ name }) => name === member)?.cosignerKey;
    const collected = this.pool.trees().find(({ signatures }) => signatures.get(member)?.cosignature !== undefined);
    const latest = this.#latest === undefined ? undefined : parseSignedCheckpoint(this.#latest.note);
    const inFinal = latest?.note.signatures.some(({ name, keyId }) => name === key?.name && keyId === key.keyId);
    const final = inFinal === true ? latest?.checkpoint : undefined;
    if (collected === undefined || final === undefined) return collected?.checkpoint ?? final;
    return collected.checkpoint.size >= final.size ? collected.checkpoint : final;
  }

  /** Takes a note from anybody. @returns undefined when it holds nothing of this log */
  absorb(note: Uint8Array): Learnt | undefined {
    const { membershipAt, replica } = this.#options;
    let learnt: Learnt | undefined;
    try {
      const { checkpoint } = parseSignedCheckpoint(note);
      learnt = this.pool.add(note, membershipAt(Math.min(checkpoint.size, replica.head.size)));
      if (learnt === undefined) return undefined;
      for (const name of learnt.members) {
        this.#signedSizes.set(name, Math.max(this.signedSize(name), learnt.signed.checkpoint.size));
      }
      // New signatures on a tree that was compared before may be a second tree by the same member.
      this.#reviewed.delete(learnt.signed);
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
    this.review();
    return learnt;
  }

  /** Compares all collected trees that the replica now reaches with its own, and finds the largest final one. */
  review(): void {
    const { replica, onForeignTree } = this.#options;
    for (const signed of this.pool.trees()) {
      const { size, root } = signed.checkpoint;
      if (size > replica.durableSize || this.#reviewed.has(signed)) continue;
      this.#reviewed.add(signed);
      if (size > 0 && sameHash(replica.tree.root(size), root)) this.#tryFinal(signed);
      else onForeignTree(signed, [...signed.signatures.keys()]);
    }
    // A few trees below the final one are kept: a late second tree of the same size is evidence.
    if (this.size > 0) this.pool.forgetBelow(this.size - 4096);
  }

  /**
   * Keeps an older checkpoint that is final too, if it is one of the own tree. Durable with the replica's next `flush`.
   * @throws {FormatError} when the bytes are not a signed checkpoint
   */
  keep(note: Uint8Array): void {
    const { membershipAt, replica } = this.#options;
    const { size, root } = parseSignedCheckpoint(note).checkpoint;
    if (size < 1 || size > Math.min(this.size, replica.durableSize) || this.noteAt(size) !== undefined) return;
    const signed = this.pool.add(note, membershipAt(size))?.signed;
    if (signed === undefined || !sameHash(replica.tree.root(size), root)) return;
    const final = this.#finalNote(signed);
    if (final !== undefined) replica.put(`final/${sortable(size)}`, final);
  }

  #tryFinal(signed: SignedCheckpoint): void {
    const { checkpoint } = signed;
    if (checkpoint.size <= this.size) return;
    const note = this.#finalNote(signed);
    if (note === undefined) return;
    this.#latest = { checkpoint, note };
    this.#options.replica.put(`final/${sortable(checkpoint.size)}`, note);
    this.#options.onFinal(checkpoint);
  }

  /** The note as it is kept and served; undefined while too few have cosigned it. */
  #finalNote(signed: SignedCheckpoint): Uint8Array | undefined {
    const { membershipAt, member, signOrigin } = this.#options;
    const { checkpoint } = signed;
    const membership = membershipAt(checkpoint.size);
    if (this.pool.cosigners(signed, membership).length < membership.quorum) return undefined;
    if (member !== undefined && signOrigin !== undefined) {
      const own = signed.signatures.get(member);
      // Tools by others check the note by this member's origin key. Signing an older tree that the own, larger one contains contradicts nothing.
      const origin = own?.origin ?? signOrigin(checkpoint);
      if (origin !== undefined) signed.signatures.set(member, { origin, cosignature: own?.cosignature });
    }
    return combineNote(signed, membership, member);
  }
}
