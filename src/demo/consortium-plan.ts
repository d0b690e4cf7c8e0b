import { join } from 'node:path';

/** A FHIR server behind the gateways: the demo's own, or HAPI FHIR. */
export interface PlannedServer {
  readonly name: string;
  readonly kind: 'demo' | 'hapi';
  readonly port: number;
  readonly dataDir: string;
}

export interface PlannedUpstream {
  /** Name on the gateway's address, `/fhir/{name}`. */
  readonly name: string;
  readonly server: PlannedServer;
}

export interface PlannedMember {
  readonly name: string;
  readonly writer: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly keyDir: string;
  readonly upstreams: readonly PlannedUpstream[];
}

/** A topic as a gateway's configuration names it. */
export type PlannedTopic =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'kafka'; readonly brokers: readonly string[]; readonly topic: string };

/** Where the consortium's parts are: members, servers, ports and folders. */
export interface ConsortiumPlan {
  readonly dataDir: string;
  readonly consortiumDir: string;
  readonly genesisFile: string;
  readonly jwksFile: string;
  readonly issuerKeyFile: string;
  readonly topicDir: string;
  readonly topic: PlannedTopic;
  readonly cosignatureTopic: PlannedTopic;
  readonly logDir: string;
  readonly members: readonly PlannedMember[];
  readonly servers: readonly PlannedServer[];
}

/** Which members there are, and which servers stand behind each: by upstream name, the server's name. */
export interface ConsortiumLayout {
  readonly members: readonly { readonly name: string; readonly upstreams: Readonly<Record<string, string>> }[];
  readonly servers: Readonly<Record<string, PlannedServer['kind']>>;
}

/** Name of the demo's log: every final checkpoint begins with it. */
export const DEMO_ORIGIN = 'demo.concordat.local/consortium';
/** First port that is tried; the processes take it and those after it. */
export const DEMO_FIRST_PORT = 8480;

/** `npm start`: each member with two servers of its own. */
export const DEMO_LAYOUT: ConsortiumLayout = {
  members: [
    { name: 'hospital', upstreams: { ehr: 'hospital-ehr', lab: 'hospital-lab' } },
    { name: 'clinics', upstreams: { north: 'clinics-north', south: 'clinics-south' } },
    { name: 'payer', upstreams: { claims: 'payer-claims', care: 'payer-care' } },
  ],
  servers: {
    'hospital-ehr': 'demo',
    'hospital-lab': 'demo',
    'clinics-north': 'demo',
    'clinics-south': 'demo',
    'payer-claims': 'demo',
    'payer-care': 'demo',
  },
};

/** `docker-compose.yml` without Docker: two servers, and a payer that reads both. `demo` stands in where HAPI FHIR cannot be had. */
export function composeLayout(kind: PlannedServer['kind']): ConsortiumLayout {
  const [hospital, clinics] = [`${kind}-hospital`, `${kind}-clinics`];
  return {
    members: [
      { name: 'hospital', upstreams: { ehr: hospital } },
      { name: 'clinics', upstreams: { ehr: clinics } },
      { name: 'payer', upstreams: { hospital, clinics } },
    ],
    servers: { [hospital]: kind, [clinics]: kind },
  };
}

/** How many processes, and so ports, a layout needs. */
export function processCount({ members, servers }: ConsortiumLayout): number {
  return members.length + Object.keys(servers).length;
}

/**
 * Lays a consortium out in a folder. The FHIR servers' own data stands apart from everything of the gateways', in `upstreams/`.
 * @param args.ports one for each gateway, then one for each server
 * @param args.brokers of Kafka; undefined for topics in files
 */
export function planConsortium(args: {
  readonly dataDir: string;
  readonly ports: readonly number[];
  readonly layout: ConsortiumLayout;
  readonly brokers?: readonly string[];
}): ConsortiumPlan {
  const { dataDir, layout, brokers } = args;
  const consortiumDir = join(dataDir, 'consortium');
  const topicDir = join(dataDir, 'topic');
  const port = (index: number) => args.ports[index] ?? 0;
  const servers = Object.entries(layout.servers).map(([name, kind], index): PlannedServer => {
    return { name, kind, port: port(layout.members.length + index), dataDir: join(dataDir, 'upstreams', name) };
  });
  const topic = (name: string): PlannedTopic =>
    brokers === undefined
      ? { kind: 'file', path: join(topicDir, `${name}.db`) }
      : { kind: 'kafka', brokers, topic: `concordat-${name}` };
  return {
    dataDir,
    consortiumDir,
    genesisFile: join(consortiumDir, 'genesis.json'),
    jwksFile: join(dataDir, 'issuer', 'jwks.json'),
    issuerKeyFile: join(dataDir, 'issuer', 'issuer.key'),
    topicDir,
    topic: topic('ledger'),
    cosignatureTopic: topic('cosignatures'),
    logDir: join(dataDir, 'logs'),
    members: layout.members.map((member, index): PlannedMember => {
      const memberDir = join(dataDir, 'members', member.name);
      return {
        name: member.name,
        writer: `${member.name}-1`,
        port: port(index),
        url: `http://127.0.0.1:${port(index)}`,
        dataDir: join(memberDir, 'data'),
        configFile: join(memberDir, 'gateway.yaml'),
        keyDir: join(consortiumDir, member.name),
        upstreams: Object.entries(member.upstreams).flatMap(([name, serverName]) => {
          const server = servers.find((found) => found.name === serverName);
          return server === undefined ? [] : [{ name, server }];
        }),
      };
    }),
    servers,
  };
}
