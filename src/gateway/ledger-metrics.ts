import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { LedgerStatus } from '../ledger/ledger-view.ts';

/** What is asked at each scrape. */
export interface LedgerFigures {
  readonly status: () => LedgerStatus;
  /** Events that are recorded and not read back from the topic yet. */
  readonly waitingEvents: () => number;
  /** At so many waiting events exchanges are refused. */
  readonly outboxLimit: number;
}

/** Registers how far the ledger is: what somebody draws and sets bounds on before an alarm is on. Members' names are the only label. */
export function registerLedgerMetrics(registry: Registry, figures: LedgerFigures): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: (status: LedgerStatus) => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read(figures.status()));
      },
    });
  gauge('concordat_ledger_leaves', 'Leaves in the own verified replica', ({ size }) => size);
  gauge('concordat_ledger_final_leaves', 'Leaves under the last final checkpoint', ({ finalSize }) => finalSize);
  gauge('concordat_ledger_events', 'Events in accepted batches, of all members', ({ events }) => events);
  gauge('concordat_ledger_lag_records', 'Records of the topic that are not read yet', ({ lagRecords }) => lagRecords);
  gauge('concordat_ledger_incidents', 'Faults that somebody must explain', ({ incidents }) => incidents.length);
  gauge('concordat_outbox_events', 'Events that wait for the ledger', () => figures.waitingEvents());
  gauge('concordat_outbox_limit_events', 'Waiting events at which exchanges are refused', () => figures.outboxLimit);
  new Gauge({
    name: 'concordat_ledger_signed_leaves',
    help: 'Leaves of the largest tree that a member is known to have cosigned, by member',
    labelNames: ['member'],
    registers,
    collect() {
      this.reset();
      for (const { name, active, signedSize } of figures.status().members)
        if (active) this.set({ member: name }, signedSize);
    },
  });
}
