import { buildCut } from './cut.ts';
import type { LedgerParameters } from './ledger-options.ts';
import type { NoteSigner } from './note-key.ts';
import { TransportError, type Topic } from './transport.ts';

export interface CutterOptions {
  readonly origin: string;
  readonly member: string;
  /** The member's batch key in force; undefined while there is none. */
  readonly signer: () => NoteSigner | undefined;
  readonly topic: Topic;
  readonly parameters: () => LedgerParameters;
  readonly clock: () => number;
  /** Place of this member among the active ones, from 0, and how many those are. */
  readonly turn: () => { readonly rank: number; readonly members: number };
}

/** What the intake saw of the topic. */
export interface CutState {
  /** When the first leaf after the last cut that is no cut was read; undefined when there is none. */
  readonly firstOtherMs: number | undefined;
  readonly lastCutMs: number;
  readonly cuts: number;
}

/** Longest that a member holds back so that another one's cut may come first. */
const STAGGER_MS = 300;
const RETRY_MS = 1000;

/**
 * Appends a signed cut when one is due. Any member may: the first valid one with the next number wins, the others are noise, so members hold back by turns
 * to make less of it.
 */
export class Cutter {
  readonly #options: CutterOptions;
  #sent = { cut: 0, atMs: 0 };

  constructor(options: CutterOptions) {
    this.#options = options;
  }

  /** Ms until a cut by this member is due; 0 now. */
  dueInMs({ firstOtherMs, lastCutMs, cuts }: CutState): number {
    const { parameters, clock } = this.#options;
    const { cutIntervalMs, idleCutIntervalMs } = parameters();
    const { rank, members } = this.#options.turn();
    const turn = (rank + cuts) % members;
    const baseMs = Math.min(
      firstOtherMs === undefined ? Infinity : firstOtherMs + cutIntervalMs,
      lastCutMs + Math.max(idleCutIntervalMs, cutIntervalMs),
    );
    const stagger = (turn * Math.min(cutIntervalMs, STAGGER_MS)) / members;
    const dueMs = baseMs + stagger;
    const again = this.#sent.cut === cuts + 1 ? this.#sent.atMs + RETRY_MS : 0;
    return Math.max(0, Math.max(dueMs, again) - clock());
  }

  async step(state: CutState): Promise<void> {
    if (this.dueInMs(state) > 0) return;
    const { origin, member, topic, clock } = this.#options;
    const signer = this.#options.signer();
    if (signer === undefined) return;
    const cut = state.cuts + 1;
    this.#sent = { cut, atMs: clock() };
    try {
      await topic.append(buildCut({ log: origin, member, cut, signer }));
    } catch (error) {
      // Whether it was stored or not: another cut of this number is sent if none is read back.
      if (!(error instanceof TransportError)) throw error;
    }
  }
}
