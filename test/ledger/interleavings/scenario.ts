import type { Random } from './random.ts';
import type { SimulatedMember, World } from './world.ts';

/** Something that was done to the ledger, and how to judge what came of it. */
export interface Strike {
  /** One of the scenario's kinds. */
  readonly kind: string;
  /** In words, with the place. */
  readonly what: string;
  /** Nothing may be lost and nobody may be blamed: the run is judged as an honest one. */
  readonly harmless?: true;
  /** Name of a member that contradicts itself. */
  readonly liar?: string;
  /** Of an act of the members: how many faults struck while it was under way. */
  readonly faults?: number;
  /** Events that nothing on the ledger can bring back. */
  readonly lost?: ReadonlySet<string>;
  /** Judges the run by this strike, once all has settled. @returns whether the fault showed with what is expected of it, or the act came into force */
  readonly check?: () => boolean | Promise<boolean>;
  /** The members have gone over to another log: the run goes on there. */
  readonly next?: World;
}

export interface Scenario {
  readonly name: string;
  /** What its strikes may be. */
  readonly kinds: readonly string[];
  /** How many members found the log; 3 most of the time where it is left out. */
  readonly members?: (random: Random) => number;
  /** How often it strikes, at least 1. Tried again at each step until it did. */
  readonly strikes: (world: World) => number;
  /** Strikes once. @returns undefined where nothing could be done yet */
  readonly strike: (world: World, member: SimulatedMember) => Promise<Strike | undefined>;
  /** What else is done at random steps. */
  readonly beside?: (world: World, member: SimulatedMember) => Promise<void>;
  /** Longest that it may take to settle, in rounds. */
  readonly settleRounds?: number;
}

export const once = (): number => 1;
