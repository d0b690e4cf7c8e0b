import type { Config } from '../config/config.ts';
import { unknownCounterparts } from './counterparts.ts';
import type { Alarm } from '../gateway/parts.ts';
import type { UpstreamClient } from '../gateway/upstream-client.ts';
import type { LedgerNodeHandle } from '../ledger/ledger-options.ts';
import type { ExchangeRecorder } from '../provenance/recorder.ts';
import type { LedgerStart } from './open-ledger.ts';

/** Share of the outbox limit at which somebody should look before it is reached. */
const OUTBOX_ALARM_SHARE = 0.5;

/** Every alarm that is on now, of all parts; what each means stands in docs/operations.md. */
export function currentAlarms(
  config: Config,
  parts: {
    readonly ledger: LedgerNodeHandle;
    readonly ledgerStart: LedgerStart;
    readonly recorder: ExchangeRecorder;
    readonly upstreams: ReadonlyMap<string, UpstreamClient>;
    /** Digest of the shared rule set that is loaded. */
    readonly ruleSet: string;
  },
): Alarm[] {
  const { ledger, ledgerStart, recorder, upstreams, ruleSet } = parts;
  const status = ledger.view.status();
  const [incident] = status.incidents;
  const alarms = status.alarms.map(({ kind, detail }): Alarm => ({ kind, text: detail }));
  if (ledgerStart.alarm !== undefined) alarms.push(ledgerStart.alarm);
  if (incident !== undefined) {
    const text = `${status.incidents.length} of the ledger, the first: ${incident.kind} at leaf ${incident.leafIndex}`;
    alarms.push({ kind: 'incident', text });
  }
  if (recorder.failing !== undefined)
    alarms.push({ kind: 'recording', text: 'nothing can be recorded: exchanges are refused' });
  alarms.push(...outboxAlarms(recorder.outbox.waiting, config.provenance.outboxLimit));
  for (const { name, isHeldBack } of upstreams.values()) {
    if (isHeldBack) alarms.push({ kind: 'upstream', text: `${name} keeps failing` });
  }
  const adopted = ledger.view.ruleSet().digest;
  if (adopted !== ruleSet)
    alarms.push({ kind: 'rule-set', text: `the adopted rule set ${adopted} is not loaded: FHIR writes are refused` });
  const unknown = unknownCounterparts(config, ledger.view.members());
  if (unknown.length > 0) {
    const text = `${unknown.join(', ')}: in the configuration, and no active member; exchanges with it carry no tag`;
    alarms.push({ kind: 'counterpart', text });
  }
  return alarms;
}

/** What a queue of events for the ledger means for exchanges. @param waiting events, 0 or more @param limit `provenance.outboxLimit` */
export function outboxAlarms(waiting: number, limit: number): Alarm[] {
  const alarms: Alarm[] = [];
  if (waiting >= limit)
    alarms.push({ kind: 'recording', text: 'the outbox is full: exchanges are refused until the ledger takes events' });
  if (waiting > OUTBOX_ALARM_SHARE * limit)
    alarms.push({ kind: 'outbox', text: `${waiting} events wait for the ledger; at ${limit} exchanges are refused` });
  return alarms;
}
