import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Config } from '../config/config.ts';
import { registerLedgerMetrics } from '../gateway/ledger-metrics.ts';
import { createGatewayMetrics, type GatewayMetrics } from '../gateway/metrics.ts';
import type { Alarm } from '../gateway/parts.ts';
import type { LedgerView } from '../ledger/ledger-view.ts';
import type { ExchangeRecorder } from '../provenance/recorder.ts';

/** Instruments of one gateway: its exchanges, its ledger, and the process (`nodejs_…`, `process_…`). */
export function openMetrics(
  config: Config,
  parts: { readonly alarms: () => readonly Alarm[]; readonly ledger: LedgerView; readonly recorder: ExchangeRecorder },
): GatewayMetrics {
  const { alarms, ledger, recorder } = parts;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerLedgerMetrics(registry, {
    status: () => ledger.status(),
    waitingEvents: () => recorder.outbox.waiting,
    outboxLimit: config.provenance.outboxLimit,
  });
  return createGatewayMetrics(registry, alarms);
}
