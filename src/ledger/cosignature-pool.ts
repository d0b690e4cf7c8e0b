import { formatCheckpoint, parseSignedCheckpoint, type Checkpoint } from './checkpoint.ts';
import { encodeHex } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { activeMembers, type Member, type Membership } from './membership.ts';
import { sameHash } from './merkle/tree-hash.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { formatNote, MAXIMUM_SIGNATURES, verifyNote, type NoteSignature, type ParsedNote } from './note.ts';

/** What one member signed: both signatures, since a cosignature alone does not make the note verify under an origin key. */
export interface MemberSignatures {
  readonly origin: NoteSignature | undefined;
  readonly cosignature: NoteSignature | undefined;
}

/** A tree that somebody signed, with all that was collected for it. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly text: string;
  readonly signatures: Map<string, MemberSignatures>;
}

/** What `add` learnt from a note: who signed this tree. */
export interface Learnt {
  readonly signed: SignedCheckpoint;
  readonly members: readonly string[];
  /** Whether a member signed it with its origin key. */
  readonly originSigned: boolean;
}

/** How many trees are kept for each signer: one that signs without end pushes out only its own. */
const TREES_PER_MEMBER = 128;

/**
 * Collects signatures of members over checkpoints, from whatever channel they came: each is checked here, none is believed for where it came from.
 * The two trees of one size that a liar signs are both kept, as evidence.
 */
export class CosignaturePool {
  readonly #origin: string;
  readonly #trees = new Map<string, SignedCheckpoint>();
  /** Keys of the trees that each member signed. */
  readonly #byMember = new Map<string, Set<string>>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  /**
   * Adds a note's valid signatures by active members; others are ignored. @returns undefined when there is nothing in it for this log
   * @throws {FormatError} when the bytes are not a signed checkpoint
   */
  add(note: Uint8Array, membership: Membership): Learnt | undefined {
    const parsed = parseSignedCheckpoint(note);
    const { origin, size, root, extensions } = parsed.checkpoint;
    // Nobody signs the empty tree: no proof begins there.
    if (origin !== this.#origin || extensions.length > 0 || size < 1) return undefined;
    const found = new Map<string, MemberSignatures>();
    const before = this.#trees.get(treeKey(parsed.checkpoint))?.signatures;
    for (const member of activeMembers(membership)) {
      const signatures = memberSignatures(parsed.note, member, before?.get(member.name));
      if (signatures.origin !== undefined || signatures.cosignature !== undefined) found.set(member.name, signatures);
    }
    if (found.size === 0) return undefined;
    const signed = this.#tree({ origin, size, root });
    for (const [name, signatures] of found) {
      const known = signed.signatures.get(name);
      signed.signatures.set(name, {
        origin: signatures.origin ?? known?.origin,
        cosignature: signatures.cosignature ?? known?.cosignature,
      });
    }
    for (const name of found.keys()) this.#bound(name, signed);
    const originSigned = [...found.values()].some((signatures) => signatures.origin !== undefined);
    return { signed, members: [...found.keys()], originSigned };
  }

  /** All trees of one size that somebody signed. */
  atSize(size: number): readonly SignedCheckpoint[] {
    return [...this.#trees.values()].filter((signed) => signed.checkpoint.size === size);
  }

  /** Largest tree first. */
  trees(): readonly SignedCheckpoint[] {
    return [...this.#trees.values()].sort((a, b) => b.checkpoint.size - a.checkpoint.size);
  }

  cosigners(signed: SignedCheckpoint, membership: Membership): readonly string[] {
    return activeMembers(membership)
      .filter((member) => inForce(signed, member).cosignature !== undefined)
      .map((member) => member.name);
  }

  forgetBelow(size: number): void {
    for (const [key, signed] of this.#trees) if (signed.checkpoint.size < size) this.#trees.delete(key);
  }

  #tree(checkpoint: Checkpoint): SignedCheckpoint {
    const key = treeKey(checkpoint);
    let signed = this.#trees.get(key);
    if (signed === undefined) {
      signed = { checkpoint, text: formatCheckpoint(checkpoint), signatures: new Map() };
      this.#trees.set(key, signed);
    }
    return signed;
  }

  /** The smallest of the trees before goes: the largest is what the member signed last, and anybody can show its old ones again. */
  #bound(member: string, latest: SignedCheckpoint): void {
    const keys = this.#byMember.get(member) ?? new Set();
    const newest = treeKey(latest.checkpoint);
    this.#byMember.set(member, keys.add(newest));
    if (keys.size <= TREES_PER_MEMBER) return;
    const sizeOf = (key: string): number => this.#trees.get(key)?.checkpoint.size ?? 0;
    const smallest = [...keys].filter((key) => key !== newest).reduce((a, b) => (sizeOf(b) < sizeOf(a) ? b : a));
    keys.delete(smallest);
    const signed = this.#trees.get(smallest);
    signed?.signatures.delete(member);
    if (signed?.signatures.size === 0) this.#trees.delete(smallest);
  }
}

function treeKey({ size, root }: Checkpoint): string {
  return `${String(size)} ${encodeHex(root)}`;
}

/** What a member signed by the keys that a membership names: a signature may be older than the rotation that took its key out of force. */
function inForce(signed: SignedCheckpoint, { name, originKey, cosignerKey }: Member): MemberSignatures {
  const { origin, cosignature } = signed.signatures.get(name) ?? {};
  return {
    origin: origin?.keyId === originKey.keyId ? origin : undefined,
    cosignature: cosignature?.keyId === cosignerKey.keyId ? cosignature : undefined,
  };
}

/**
 * One note with members' signatures, `first`'s origin signature first: tools by others look only at that one. All cosignatures, and as many
 * origin signatures as there is room for: more than fifty members fill a note.
 */
export function combineNote(signed: SignedCheckpoint, membership: Membership, first: string | undefined): Uint8Array {
  const members = activeMembers(membership).toSorted((a, b) => Number(b.name === first) - Number(a.name === first));
  const all = members.map((member) => inForce(signed, member));
  const isThere = (line: NoteSignature | undefined): line is NoteSignature => line !== undefined;
  const cosignatures = all.map((found) => found.cosignature).filter(isThere);
  const origins = all.map((found) => found.origin).filter(isThere);
  return formatNote(signed.text, [...origins.slice(0, MAXIMUM_SIGNATURES - cosignatures.length), ...cosignatures]);
}

/** @param known signatures over the same text that were checked before: the same bytes are not checked again */
function memberSignatures(note: ParsedNote, member: Member, known: MemberSignatures | undefined): MemberSignatures {
  const valid = (key: Member['originKey'], before: NoteSignature | undefined): NoteSignature | undefined => {
    for (const signature of note.signatures) {
      if (signature.name !== key.name || signature.keyId !== key.keyId) continue;
      if (before !== undefined && sameHash(before.signature, signature.signature)) return before;
      try {
        // Line by line: another member's forged line in the same note must not spoil this one.
        return verifyNote({ text: note.text, signatures: [signature] }, [key])[0]?.signature;
      } catch (error) {
        if (!(error instanceof VerificationError || error instanceof FormatError)) throw error;
      }
    }
    return undefined;
  };
  return {
    origin: valid(member.originKey, known?.origin),
    cosignature: valid(member.cosignerKey, known?.cosignature),
  };
}
