import { join } from 'node:path';

/** Where the demo's parts are: members, their servers, ports and folders. */
export interface PlannedUpstream {
  /** Name on the gateway's address, `/fhir/{name}`. */
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
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

export interface ConsortiumPlan {
  readonly dataDir: string;
  readonly consortiumDir: string;
  readonly genesisFile: string;
  readonly jwksFile: string;
  readonly issuerKeyFile: string;
  readonly topicFile: string;
  readonly cosignatureTopicFile: string;
  readonly logDir: string;
  readonly members: readonly PlannedMember[];
}

/** Name of the demo's log: every final checkpoint begins with it. */
export const DEMO_ORIGIN = 'demo.concordat.local/consortium';
/** First port that is tried; the nine processes take it and those after it. */
export const DEMO_FIRST_PORT = 8480;

const MEMBERS = [
  { name: 'hospital', upstreams: ['ehr', 'lab'] },
  { name: 'clinics', upstreams: ['north', 'south'] },
  { name: 'payer', upstreams: ['claims', 'care'] },
] as const;

export const DEMO_MEMBERS: readonly string[] = MEMBERS.map((member) => member.name);
export const DEMO_PROCESSES = MEMBERS.length * 3;

/**
 * Lays the demo out in a folder. The upstreams' own data stands apart from everything of the gateways', in `upstreams/`.
 * @param ports one for each gateway, then one for each upstream
 */
export function planConsortium(dataDir: string, ports: readonly number[]): ConsortiumPlan {
  const consortiumDir = join(dataDir, 'consortium');
  const port = (index: number) => ports[index] ?? 0;
  const members = MEMBERS.map((member, index): PlannedMember => {
    const memberDir = join(dataDir, 'members', member.name);
    return {
      name: member.name,
      writer: `${member.name}-1`,
      port: port(index),
      url: `http://127.0.0.1:${port(index)}`,
      dataDir: join(memberDir, 'data'),
      configFile: join(memberDir, 'gateway.yaml'),
      keyDir: join(consortiumDir, member.name),
      upstreams: member.upstreams.map((name, place) => ({
        name,
        port: port(MEMBERS.length + index * 2 + place),
        dataDir: join(dataDir, 'upstreams', `${member.name}-${name}`),
      })),
    };
  });
  return {
    dataDir,
    consortiumDir,
    genesisFile: join(consortiumDir, 'genesis.json'),
    jwksFile: join(dataDir, 'issuer', 'jwks.json'),
    issuerKeyFile: join(dataDir, 'issuer', 'issuer.key'),
    topicFile: join(dataDir, 'topic', 'ledger.db'),
    cosignatureTopicFile: join(dataDir, 'topic', 'cosignatures.db'),
    logDir: join(dataDir, 'logs'),
    members,
  };
}
