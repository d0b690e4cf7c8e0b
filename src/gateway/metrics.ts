import { Counter, Gauge, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Alarm } from './parts.ts';

/** The gateway's own instruments. Labels are closed vocabularies only: a resource type that R4 does not know is counted as `other`. */
export interface GatewayMetrics {
  readonly registry: Registry;
  readonly exchanges: Counter<'interaction' | 'type' | 'upstream' | 'outcome'>;
  readonly durations: Histogram<'interaction' | 'upstream'>;
  readonly refusedTokens: Counter<'reason'>;
  readonly throttled: Counter;
  readonly findings: Counter<'direction' | 'mode' | 'verdict'>;
  readonly breakers: Gauge<'upstream'>;
}

/**
 * Registers the gateway's instruments.
 * @param alarms asked at each scrape; one `concordat_alarm{kind}` of 1 for each that is on
 */
export function createGatewayMetrics(registry: Registry, alarms: () => readonly Alarm[]): GatewayMetrics {
  const registers = [registry];
  new Gauge({
    name: 'concordat_alarm',
    help: 'Alarms that are on now, by kind',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const alarm of alarms()) this.set({ kind: alarm.kind }, 1);
    },
  });
  return {
    registry,
    exchanges: new Counter({
      name: 'concordat_exchanges_total',
      help: 'FHIR exchanges by interaction, resource type, upstream and outcome',
      labelNames: ['interaction', 'type', 'upstream', 'outcome'],
      registers,
    }),
    durations: new Histogram({
      name: 'concordat_exchange_duration_seconds',
      help: 'Time from the request line to the last byte of the answer',
      labelNames: ['interaction', 'upstream'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    refusedTokens: new Counter({
      name: 'concordat_refused_tokens_total',
      help: 'Requests without a valid token, by reason',
      labelNames: ['reason'],
      registers,
    }),
    throttled: new Counter({
      name: 'concordat_rate_limited_total',
      help: 'Requests refused by a rate limit',
      registers,
    }),
    findings: new Counter({
      name: 'concordat_validated_resources_total',
      help: 'Validated resources by direction, mode and verdict',
      labelNames: ['direction', 'mode', 'verdict'],
      registers,
    }),
    breakers: new Gauge({
      name: 'concordat_upstream_breaker_open',
      help: '1 while calls to the upstream are held back',
      labelNames: ['upstream'],
      registers,
    }),
  };
}
