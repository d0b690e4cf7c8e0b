import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConsortiumPlan, PlannedMember, PlannedServer } from './consortium-plan.ts';
import { DEMO_AUDIENCE, DEMO_ISSUER } from './token-issuer.ts';

/** Folder of the FHIR packages and rule sets that come with the project. */
export const PROFILES_DIR = fileURLToPath(new URL('../../profiles', import.meta.url));
/** Rule set that the demo consortium begins with. */
export const RULES_FILE = fileURLToPath(new URL('./rules.yaml', import.meta.url));

/** Writes a member's configuration file; JSON is YAML too. Written at each start, because ports may have changed. */
export function writeGatewayConfig(plan: ConsortiumPlan, member: PlannedMember): void {
  const key = (kind: string) => ({ file: join(member.keyDir, `${kind}.key`) });
  const config = {
    member: member.name,
    writer: member.writer,
    listen: { host: '127.0.0.1', port: member.port },
    dataDir: member.dataDir,
    upstreams: Object.fromEntries(
      member.upstreams.map(({ name, server }) => [name, { url: serverUrl(server), ...timeouts(server) }]),
    ),
    auth: {
      mode: 'jwt',
      issuers: [{ issuer: DEMO_ISSUER, audience: DEMO_AUDIENCE, jwksFile: plan.jwksFile, algorithms: ['ES256'] }],
    },
    validation: { packagesDir: PROFILES_DIR, packages: ['hl7.fhir.us.core#6.1.0'], rules: RULES_FILE },
    provenance: { masterKey: key('master') },
    ledger: {
      genesis: plan.genesisFile,
      keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
      topic: plan.topic,
      cosignatureTopic: plan.cosignatureTopic,
      peers: plan.members
        .filter((peer) => peer !== member)
        .map((peer) => ({ member: peer.name, url: `${peer.url}/ledger` })),
    },
    federation: { allowedOrigins: ['*'] },
  };
  mkdirSync(dirname(member.configFile), { recursive: true, mode: 0o700 });
  mkdirSync(plan.topicDir, { recursive: true, mode: 0o700 });
  writeFileSync(member.configFile, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}

/** HAPI FHIR, just started, takes a patient of a thousand entries in one transaction: it gets time for it. */
function timeouts({ kind }: PlannedServer): object {
  return kind === 'hapi' ? { timeouts: { headersMs: 120_000, totalMs: 120_000 } } : {};
}

/** A FHIR server's own base, open on loopback. */
export function serverUrl({ port }: PlannedServer): string {
  return `http://127.0.0.1:${port}/fhir`;
}
