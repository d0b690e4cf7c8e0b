import { formatAddCheckpoint } from './add-checkpoint.ts';
import { parseSignedCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { Finality } from './finality.ts';
import { FormatError } from './format-error.ts';
import type { LedgerLog } from './ledger-options.ts';
import { buildConsistencyProof } from './merkle/proof.ts';
import { VerificationError } from './merkle/verification-error.ts';
import { parseVerifierKey } from './note-key.ts';
import {
  formatNote,
  formatSignatureLine,
  MAXIMUM_SIGNATURES,
  parseNote,
  parseSignatureLine,
  verifyNote,
} from './note.ts';
import { encodeUtf8 } from './encoding.ts';
import type { AddCheckpointResult, PeerClient, WitnessClient } from './peer.ts';
import type { Replica } from './replica.ts';

export interface PeerExchangeOptions {
  readonly peers: readonly PeerClient[];
  readonly witnesses: readonly WitnessClient[];
  readonly replica: Replica;
  readonly finality: Finality;
  readonly clock: () => number;
  readonly log: LedgerLog;
}

/** One try to learn what the witness last signed, one with the right proof. */
const ATTEMPTS = 3;

interface Contact {
  signedSize: number;
  /** Size of the own tree that was last shown to a peer which had signed a larger one. */
  shownSize: number;
  unreachableSinceMs: number | undefined;
}

/**
 * Exchanges checkpoints with members (and outside witnesses) past the broker, so that it cannot show different logs to different members unnoticed.
 * Everything that comes back goes through `Finality.absorb`, which checks each signature.
 */
export class PeerExchange {
  readonly #options: PeerExchangeOptions;
  readonly #contacts = new Map<object, Contact>();
  /** Notes by outside witnesses over final checkpoints, newest only, by witness name. */
  readonly #outside = new Map<string, { readonly size: number; readonly lines: string }>();
  #ahead: { readonly peer: PeerClient; readonly final: Checkpoint } | undefined;

  constructor(options: PeerExchangeOptions) {
    this.#options = options;
  }

  /** Largest final size that a peer showed a valid checkpoint for. */
  get peerSize(): number {
    return this.#ahead?.final.size ?? 0;
  }

  /** Who showed that one. */
  get ahead(): { readonly peer: PeerClient; readonly final: Checkpoint } | undefined {
    return this.#ahead;
  }

  unreachable(): { readonly member: string; readonly sinceMs: number }[] {
    return this.#options.peers.flatMap((peer) => {
      const sinceMs = this.#contacts.get(peer)?.unreachableSinceMs;
      return sinceMs === undefined ? [] : [{ member: peer.member, sinceMs }];
    });
  }

  outsideCosignatures(): ReadonlyMap<string, { readonly size: number; readonly lines: string }> {
    return this.#outside;
  }

  /** A final checkpoint with what outside witnesses put under it, as far as there is room; nobody needs those for finality. */
  withOutside(note: Uint8Array, size: number): Uint8Array {
    const lines = [...this.#outside.values()].filter((found) => found.size === size).map((found) => found.lines);
    if (lines.length === 0) return note;
    const room = withRoom(note, lines.length);
    return appendLines(room.note, lines.slice(0, room.lines).join(''));
  }

  /** Shows the own latest signed tree to every peer, and takes their cosignatures for it. */
  async push(note: Uint8Array): Promise<void> {
    const { peers, finality } = this.#options;
    // Whoever has cosigned this tree has nothing more to say of it; not to ask it is not to have reached it.
    const asked = peers.filter((peer) => !finality.hasCosigned(peer.member, note));
    await Promise.all(
      asked.map((peer) =>
        this.#attempt(peer, async () => {
          await this.#show(peer, note);
          const lines = await this.#submit(peer, note);
          if (lines !== undefined) finality.absorb(appendLines(note, lines));
        }),
      ),
    );
  }

  /** Asks every peer for its final checkpoint. */
  async pull(): Promise<void> {
    await Promise.all(
      this.#options.peers.map((peer) =>
        this.#attempt(peer, async () => {
          const note = await peer.checkpoint();
          if (note === undefined || this.#options.finality.absorb(note) === undefined) return;
          const final = parseSignedCheckpoint(note).checkpoint;
          if (final.size > this.peerSize && this.#options.finality.isQuorum(final)) this.#ahead = { peer, final };
        }),
      ),
    );
  }

  /** Submits a final checkpoint to the outside witnesses. */
  async submitOutside(note: Uint8Array): Promise<void> {
    const { size } = parseSignedCheckpoint(note).checkpoint;
    await Promise.all(
      this.#options.witnesses.map((witness) =>
        this.#attempt(witness, async () => {
          if ((this.#outside.get(witness.name)?.size ?? 0) >= size) return;
          const lines = await this.#submit(witness, withoutCosignatures(note));
          const line = lines === undefined ? undefined : cosignatureLine(note, lines, witness);
          if (line !== undefined) this.#outside.set(witness.name, { size, lines: line });
        }),
      ),
    );
  }

  /**
   * A peer that has signed a larger tree will not sign this one. It must see it all the same: where a broker shows different logs, the shorter one's trees
   * would else never reach who could tell that they part from its own.
   */
  async #show(peer: PeerClient, note: Uint8Array): Promise<void> {
    const { size } = parseSignedCheckpoint(note).checkpoint;
    const contact = this.#contact(peer);
    if (contact.signedSize <= size || contact.shownSize === size) return;
    await peer.addCheckpoint(formatAddCheckpoint({ oldSize: 0, proof: [], note }));
    contact.shownSize = size;
  }

  async #submit(to: PeerClient | WitnessClient, note: Uint8Array): Promise<string | undefined> {
    const { replica } = this.#options;
    const { size } = parseSignedCheckpoint(note).checkpoint;
    const contact = this.#contact(to);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const oldSize = contact.signedSize;
      if (oldSize > size) return undefined;
      const proof =
        oldSize === 0 || oldSize === size
          ? []
          : buildConsistencyProof(oldSize, size, (level, index) => replica.tree.node(level, index));
      const result: AddCheckpointResult = await to.addCheckpoint(formatAddCheckpoint({ oldSize, proof, note }));
      if (result.status === 200) {
        contact.signedSize = size;
        return result.cosignatures;
      }
      // A witness that lies about its size only makes itself useless: the number goes into nothing but the next request.
      if (result.status !== 409 || result.size === undefined || !Number.isSafeInteger(result.size)) return undefined;
      if (result.size < 0) return undefined;
      contact.signedSize = result.size;
    }
    return undefined;
  }

  async #attempt(to: PeerClient | WitnessClient, action: () => Promise<void>): Promise<void> {
    const contact = this.#contact(to);
    try {
      await action();
      contact.unreachableSinceMs = undefined;
    } catch (error) {
      // Whatever a peer's client throws, this member goes on with the others.
      if (contact.unreachableSinceMs === undefined) {
        const name = 'member' in to ? to.member : to.name;
        this.#options.log.warn(
          { peer: name, error: error instanceof Error ? error.name : 'unknown' },
          'a peer cannot be reached',
        );
      }
      contact.unreachableSinceMs ??= this.#options.clock();
    }
  }

  #contact(to: object): Contact {
    let contact = this.#contacts.get(to);
    if (contact === undefined) {
      contact = { signedSize: 0, shownSize: 0, unreachableSinceMs: undefined };
      this.#contacts.set(to, contact);
    }
    return contact;
  }
}

/** The witness's cosignature over this note's text, written anew: a blank line more would spoil the note that it is put under. */
function cosignatureLine(note: Uint8Array, lines: string, witness: WitnessClient): string | undefined {
  try {
    const { text } = parseNote(note);
    const signatures = lines
      .split('\n')
      .filter((line) => line !== '')
      .map(parseSignatureLine);
    const [verified] = verifyNote({ text, signatures }, [parseVerifierKey(witness.verifierKey)]);
    if (verified === undefined || signatures.length !== 1) return undefined;
    return `${formatSignatureLine(verified.signature)}\n`;
  } catch (error) {
    if (error instanceof FormatError || error instanceof VerificationError) return undefined;
    throw error;
  }
}

/** The note without the last of its origin signatures, where more lines would not fit beside them: one, the serving member's, is enough. */
function withRoom(note: Uint8Array, lines: number): { readonly note: Uint8Array; readonly lines: number } {
  const { note: parsed, checkpoint } = parseSignedCheckpoint(note);
  const origins = parsed.signatures.filter(({ name }) => name === checkpoint.origin);
  const cosignatures = parsed.signatures.filter(({ name }) => name !== checkpoint.origin);
  const room = MAXIMUM_SIGNATURES - cosignatures.length;
  const kept = origins.slice(0, Math.max(1, room - lines));
  return { note: formatNote(parsed.text, [...kept, ...cosignatures]), lines: room - kept.length };
}

/** The note with the log's own signatures alone: a witness looks at no others, and some refuse requests that are longer than 10 kB. */
function withoutCosignatures(note: Uint8Array): Uint8Array {
  const { note: parsed, checkpoint } = parseSignedCheckpoint(note);
  return formatNote(
    parsed.text,
    parsed.signatures.filter(({ name }) => name === checkpoint.origin),
  );
}

/** The note with a witness's signature lines behind its own. */
function appendLines(note: Uint8Array, lines: string): Uint8Array {
  const more = encodeUtf8(lines);
  const whole = new Uint8Array(note.length + more.length);
  whole.set(note);
  whole.set(more, note.length);
  return whole;
}
