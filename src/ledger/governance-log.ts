import type { Genesis } from './genesis.ts';
import { activate, takeGovernance, waitingSince, type GovernanceStep } from './governance.ts';
import { buildHistory } from './governance-history.ts';
import { genesisState, latestVersion, versionAtSize, type GovernanceState } from './governance-state.ts';
import { membershipOf, type Membership } from './membership.ts';
import type { Replica } from './replica.ts';
import { fromJsonBytes, jsonBytes, sortable, type LedgerStorage } from './storage.ts';

/** What the replica notes of governance: enough to make the state again from the leaves. */
type Note = { readonly leaf: number } | { readonly activate: number };

/**
 * The governance state at the end of the replica. Only places are saved, with the leaves' own transaction: at the next open the state is made
 * again from the records themselves, so that it can never differ from the log.
 */
export class GovernanceLog {
  readonly #replica: Replica;
  #state: GovernanceState;
  /** Accepted governance records, each with the proposal that it makes or votes on. */
  readonly #accepted: { readonly leaf: number; readonly proposal: string }[] = [];

  constructor(genesis: Genesis, replica: Replica, storage: LedgerStorage) {
    this.#replica = replica;
    this.#state = genesisState(genesis);
    const notes = storage.state.scan('governance/').map(({ value }) => fromJsonBytes<Note>(value));
    for (const note of notes.toSorted((a, b) => placeOf(a) - placeOf(b))) {
      if ('activate' in note) this.#state = activate(this.#state, note.activate);
      else {
        const { header, body } = replica.leaf(note.leaf);
        const step = takeGovernance(this.#state, { header, body: body ?? new Uint8Array() }, note.leaf);
        this.#state = step.state;
        this.#accept(step, note.leaf);
      }
    }
  }

  get state(): GovernanceState {
    return this.#state;
  }

  /** In force for the next leaf. */
  get membership(): Membership {
    return membershipOf(latestVersion(this.#state));
  }

  /** Whose cosignatures make a checkpoint of this size final. */
  membershipAt(size: number): Membership {
    return membershipOf(versionAtSize(this.#state, size));
  }

  /** Takes what was judged of the record that is now leaf `leafIndex`. */
  taken(step: GovernanceStep, leafIndex: number): void {
    if (step.verdict !== 'accepted') return;
    this.#state = step.state;
    this.#accept(step, leafIndex);
    this.#note(leafIndex, 0, { leaf: leafIndex });
  }

  /** An accepted cut ends a tree of this size: what was decided before comes into force. */
  cut(size: number): void {
    if (waitingSince(this.#state) === undefined) return;
    this.#state = activate(this.#state, size);
    this.#note(size, 1, { activate: size });
  }

  /** A size that must be final, under the membership before it, before any greater one is cosigned. */
  gate(finalSize: number): number | undefined {
    return this.#state.versions.find(({ from }) => from > finalSize)?.from;
  }

  /** Sizes whose final checkpoints put a change in force that matters for checkpoints of this size. */
  historySizes(size: number): readonly number[] {
    return this.#state.versions.map(({ from }) => from).filter((from) => from > 0 && from < size);
  }

  /**
   * How the membership for checkpoints of this size came to be: what a receipt carries for who has the genesis alone.
   * @param finalNote the final checkpoint of a size
   * @returns undefined where nothing has changed since the genesis, or where a checkpoint that put a change in force is not here yet
   */
  history(size: number, finalNote: (size: number) => Uint8Array | undefined): Uint8Array | undefined {
    const sizes = this.historySizes(size);
    const checkpoints = sizes.map(finalNote).filter((note) => note !== undefined);
    const last = sizes.at(-1);
    if (last === undefined || checkpoints.length < sizes.length) return undefined;
    // Every receipt carries it: what one member proposes or says beyond that must not make it larger.
    const needed = this.#accepted.filter(({ leaf, proposal }) => {
      const { inForceFrom = Infinity, decidedAt = -1 } = this.#state.proposals.get(proposal) ?? {};
      return inForceFrom <= last && leaf <= decidedAt;
    });
    const records = needed.map(({ leaf: index }) => {
      const { header, body } = this.#replica.leaf(index);
      return { index, header, body: body ?? new Uint8Array() };
    });
    return buildHistory({ records, checkpoints, readNode: (level, index) => this.#replica.tree.node(level, index) });
  }

  #accept({ record }: GovernanceStep, leaf: number): void {
    if (record !== undefined)
      this.#accepted.push({ leaf, proposal: record.act.act === 'vote' ? record.act.proposal : record.id });
  }

  #note(place: number, order: number, note: Note): void {
    this.#replica.put(`governance/${sortable(place)}/${String(order)}`, jsonBytes(note));
  }
}

/** The leaf with which it happened. A change comes into force with the cut that ends a tree of its size, so before a record that is the leaf of that number. */
function placeOf(note: Note): number {
  return 'activate' in note ? note.activate - 1 : note.leaf;
}
