import { ACTS, SCENARIOS, type Outcome } from './simulate.ts';

interface Count {
  readonly struck: number;
  readonly shown: number;
  /** Of acts of the members: how often faults struck while one was under way that came into force. */
  readonly amidFaults: number;
}

const NONE: Count = { struck: 0, shown: 0, amidFaults: 0 };

/** What many runs came to: how often each scenario was played, and each kind of fault struck and showed as it must. */
export class Summary {
  readonly scenarios = new Map<string, number>();
  readonly kinds = new Map<string, Count>();
  runs = 0;
  kills = 0;
  events = 0;
  receipts = 0;

  constructor() {
    for (const { name, kinds } of SCENARIOS) {
      this.scenarios.set(name, 0);
      for (const kind of kinds) this.kinds.set(kind, NONE);
    }
  }

  add({ scenario, strikes, kills, events, receipts }: Outcome): void {
    this.runs++;
    this.kills += kills;
    this.events += events;
    this.receipts += receipts;
    this.scenarios.set(scenario, (this.scenarios.get(scenario) ?? 0) + 1);
    for (const { kind, shown, faults = 0 } of strikes) {
      const before = this.kinds.get(kind) ?? NONE;
      this.kinds.set(kind, {
        struck: before.struck + 1,
        shown: before.shown + (shown ? 1 : 0),
        amidFaults: before.amidFaults + (shown && faults > 0 ? 1 : 0),
      });
    }
  }

  lines(): string[] {
    const totals = `${String(this.events)} events, ${String(this.kills)} kills, ${String(this.receipts)} receipts checked`;
    const scenarios = [...this.scenarios].map(
      ([name, count]) => `  ${name.padEnd(28)} ${String(count).padStart(6)} runs`,
    );
    const kinds = [...this.kinds].map(([kind, { struck, shown, amidFaults }]) =>
      ACTS.includes(kind)
        ? `  ${kind.padEnd(28)} ${String(struck).padStart(6)} done   ${String(shown).padStart(6)} in force ${String(amidFaults).padStart(6)} amid faults`
        : `  ${kind.padEnd(28)} ${String(struck).padStart(6)} struck ${String(shown).padStart(6)} told`,
    );
    return [totals, 'scenarios', ...scenarios, 'faults', ...kinds];
  }
}
