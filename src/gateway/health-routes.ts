import { Router } from 'express';
import type { GatewayParts } from './parts.ts';

/** `/health/live`, `/health/ready` and `/metrics`: for those who run the gateway, without a token and without anything of a patient. */
export function healthRoutes(parts: GatewayParts): Router {
  const router = Router();
  router.get('/health/live', (_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.json({ status: 'live' });
  });
  router.get('/health/ready', (_request, response) => {
    const readiness = readinessOf(parts);
    response.setHeader('Cache-Control', 'no-store');
    response.status(readiness.isReady ? 200 : 503).json(readiness);
  });
  router.get('/metrics', async (_request, response) => {
    for (const upstream of parts.upstreams.values()) {
      parts.metrics.breakers.set({ upstream: upstream.name }, upstream.isHeldBack ? 1 : 0);
    }
    response.setHeader('Content-Type', parts.metrics.registry.contentType);
    response.end(await parts.metrics.registry.metrics());
  });
  return router;
}

export interface Readiness {
  /** False when requests would be refused: the recorder cannot record, or the upstreams are all held back. */
  readonly isReady: boolean;
  readonly member: string;
  readonly upstreams: readonly { readonly name: string; readonly isHeldBack: boolean }[];
  readonly ledger: {
    readonly size: number;
    readonly finalSize: number;
    readonly lagRecords: number;
    /** Faults that somebody must explain, the first ones first; an honest run has none. */
    readonly incidents: readonly {
      readonly kind: string;
      readonly leafIndex: number;
      readonly member: string | undefined;
    }[];
  };
  readonly ruleSet: string;
  readonly engine: string;
  readonly packages: readonly string[];
  readonly alarms: readonly { readonly kind: string; readonly text: string }[];
}

const MOST_INCIDENTS = 20;
/** Alarms of these kinds mean that nothing can be recorded. */
const STOPPING = new Set(['recording']);

export function readinessOf(parts: GatewayParts): Readiness {
  const upstreams = [...parts.upstreams.values()].map(({ name, isHeldBack }) => ({ name, isHeldBack }));
  const { size, finalSize, lagRecords, incidents } = parts.ledger.status();
  const alarms = parts.alarms();
  const canRecord = !alarms.some(({ kind }) => STOPPING.has(kind));
  return {
    isReady: canRecord && upstreams.some(({ isHeldBack }) => !isHeldBack),
    member: parts.member,
    upstreams,
    ledger: {
      size,
      finalSize,
      lagRecords,
      incidents: incidents.slice(0, MOST_INCIDENTS).map(({ kind, leafIndex, member }) => ({ kind, leafIndex, member })),
    },
    ruleSet: parts.ruleSet.digest,
    engine: parts.validator.context.engine,
    packages: parts.validator.context.packages,
    alarms,
  };
}
