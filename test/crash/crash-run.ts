import { setTimeout as delay } from 'node:timers/promises';
import { parseCsv } from '../support/csv.ts';
import { SingleGateway } from '../support/single-gateway.ts';

export interface CrashReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly upstreamVersions: number;
  readonly events: number;
  /** What must not be, one line each; empty when every promise held. */
  readonly violations: readonly string[];
}

interface Acknowledged {
  readonly event: string;
  readonly status: number;
}

const WORKERS = 6;

/**
 * Kills a gateway with SIGKILL at random moments under load, starts it again, and then compares three accounts of what happened: what clients saw
 * acknowledged, what the upstream holds, and what is on the ledger. The same seed gives the same moments.
 */
export async function crashRun(args: {
  kills: number;
  seed: number;
  log: (line: string) => void;
}): Promise<CrashReport> {
  const random = seeded(args.seed);
  const gateway = new SingleGateway({ upstreamTotalMs: 1_500 });
  await gateway.start();
  try {
    const load = new Load(gateway, random);
    for (let kill = 1; kill <= args.kills; kill++) {
      load.start();
      await load.progress(5);
      await delay(Math.floor(random() * 1_200));
      await gateway.killGateway();
      await load.stop();
      args.log(`kill ${kill}: ${load.acknowledged.length} writes acknowledged so far`);
      await gateway.startGateway();
    }
    return await compare(gateway, load, args.kills);
  } finally {
    await gateway.close();
  }
}

/** Clients that create, update, delete and read without pause, and note what they saw acknowledged. */
class Load {
  readonly acknowledged: Acknowledged[] = [];
  readonly #gateway: SingleGateway;
  readonly #random: () => number;
  readonly #known: string[] = [];
  #workers: Promise<void>[] = [];
  #running = false;
  #counter = 0;

  constructor(gateway: SingleGateway, random: () => number) {
    this.#gateway = gateway;
    this.#random = random;
  }

  start(): void {
    this.#running = true;
    this.#workers = Array.from({ length: WORKERS }, () => this.#work());
  }

  /** Resolves once so many more calls were answered: a kill before the first would test nothing. */
  async progress(calls: number): Promise<void> {
    const wanted = this.acknowledged.length + calls;
    while (this.acknowledged.length < wanted) await delay(10);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    const token = this.#gateway.token();
    while (this.#running) {
      try {
        await this.#once(token);
      } catch {
        // The gateway is dead: what was under way has no answer, which is just what the comparison is about.
        await delay(20);
      }
    }
  }

  async #once(token: string): Promise<void> {
    const at = this.#random();
    const known = this.#known[Math.floor(this.#random() * this.#known.length)];
    if (known === undefined || at < 0.6) {
      const reply = await this.#send('POST', 'Patient', token, this.#patient(undefined));
      const id = /Patient\/([^/]+)\/_history/.exec(reply.headers.get('location') ?? '')?.[1];
      if (id !== undefined) this.#known.push(id);
    } else if (at < 0.8) await this.#send('PUT', `Patient/${known}`, token, this.#patient(known));
    else if (at < 0.85) await this.#send('DELETE', `Patient/${known}`, token);
    else await this.#send('GET', `Patient/${known}`, token);
  }

  #patient(id: string | undefined): object {
    this.#counter += 1;
    return {
      resourceType: 'Patient',
      id,
      active: true,
      identifier: [{ system: 'http://hospital.test/mrn', value: `crash-${this.#counter}` }],
    };
  }

  async #send(method: string, path: string, token: string, body?: object): Promise<Response> {
    const reply = await fetch(`${this.#gateway.url}/fhir/ehr/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/fhir+json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    await reply.arrayBuffer();
    const event = reply.headers.get('concordat-event');
    if (event !== null) this.acknowledged.push({ event, status: reply.status });
    return reply;
  }
}

async function compare(gateway: SingleGateway, load: Load, kills: number): Promise<CrashReport> {
  const rows = await settledRows(gateway);
  const versions = await upstreamVersions(gateway);
  const violations: string[] = [];
  const byEvent = new Map(rows.map((row) => [row.event ?? '', row]));
  if (byEvent.size !== rows.length) violations.push(`${rows.length - byEvent.size} events are recorded twice`);
  for (const { event, status } of load.acknowledged) {
    if (!byEvent.has(event)) violations.push(`event ${event}, acknowledged with ${status}, has no record`);
  }
  for (const row of rows) {
    if (row.state !== 'final') violations.push(`event ${row.event} is ${row.state}`);
    if (row.outcome === 'unknown') violations.push(`event ${row.event} ended unknown`);
  }
  const writes = rows.filter((row) => row.kind === 'received' || row.kind === 'retracted');
  const touched = new Map<string, number>();
  for (const row of writes.filter((found) => found.outcome === '0')) {
    for (const reference of (row.resources ?? '').split(' ').filter((found) => found.includes('/_history/'))) {
      touched.set(reference, (touched.get(reference) ?? 0) + 1);
    }
  }
  for (const version of versions) {
    const count = touched.get(version) ?? 0;
    if (count !== 1) violations.push(`${version} is in ${count} events`);
  }
  for (const reference of touched.keys()) {
    if (!versions.has(reference)) violations.push(`an event names ${reference}, which the upstream does not have`);
  }
  const status = await ledgerEvents(
    gateway,
    rows.map((row) => row.event ?? ''),
  );
  violations.push(...status);
  return {
    kills,
    acknowledged: load.acknowledged.length,
    upstreamVersions: versions.size,
    events: rows.length,
    violations,
  };
}

/** Waits until the reconciler has settled what the kills cut off and all is final, at most a minute after the last call could have ended. */
async function settledRows(gateway: SingleGateway): Promise<Record<string, string>[]> {
  await delay(1_500 + 10_000 + 6_000);
  for (let attempt = 0; ; attempt++) {
    const reply = await fetch(`${gateway.url}/audit/AuditEvent?_format=csv`, {
      headers: { authorization: `Bearer ${gateway.token()}` },
    });
    if (reply.status !== 200)
      throw new Error(`the export answered ${reply.status}: ${(await reply.text()).slice(0, 300)}`);
    // The export is itself an event, and not final at the time it is answered: only what was there before counts.
    const rows = parseCsv(await reply.text()).filter((row) => row.kind !== 'checked');
    if (rows.every((row) => row.state === 'final') || attempt === 40) return rows;
    await delay(1_000);
  }
}

/** Every version that the upstream holds, as the federated address names it. */
async function upstreamVersions(gateway: SingleGateway): Promise<Set<string>> {
  const versions = new Set<string>();
  let next: string | undefined = `${gateway.upstreamUrl}/_history?_count=500`;
  while (next !== undefined) {
    const bundle = (await (await fetch(next)).json()) as {
      link?: { relation: string; url: string }[];
      entry?: {
        resource?: { resourceType: string; id: string; meta?: { versionId?: string } };
        request?: { url: string };
        response?: { etag?: string };
      }[];
    };
    for (const { resource, request, response } of bundle.entry ?? []) {
      const [type, id] =
        resource === undefined ? (request?.url ?? '').split('/') : [resource.resourceType, resource.id];
      const versionId = resource?.meta?.versionId ?? /"(.+)"/.exec(response?.etag ?? '')?.[1];
      versions.add(`${type}/ehr.${id}/_history/${versionId}`);
    }
    next = bundle.link?.find(({ relation }) => relation === 'next')?.url;
  }
  return versions;
}

/** A receipt for every event, and no other events on the ledger than the recorded ones. */
async function ledgerEvents(gateway: SingleGateway, events: readonly string[]): Promise<string[]> {
  const violations: string[] = [];
  for (const event of events) {
    const reply = await fetch(`${gateway.url}/ledger/receipt/${event}`);
    await reply.arrayBuffer();
    if (reply.status !== 200) violations.push(`the receipt of ${event} answers ${reply.status}`);
  }
  return violations;
}

/** Mulberry32: small, seeded, good enough for moments. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
