import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../../src/cli/consortium.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { findFreePorts } from '../../src/demo/free-ports.ts';
import { startUpstream } from '../../src/demo/upstream.ts';
import type { Upstream } from '../../src/demo/upstream.ts';
import { startGateway } from '../../src/main.ts';
import type { RunningGateway } from '../../src/main.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../../src/validation/rules.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-recover-'));
const root = fileURLToPath(new URL('../..', import.meta.url));
const rules = join(root, 'profiles/rules/base.yaml');
const members = ['a', 'b'];
const fileOf = (member: string) => join(folder, `${member}.yaml`);
const dataOf = (member: string) => join(folder, `${member}-data`);

function writeConfig(member: string, writer: string, ports: readonly number[], upstreamUrl: string): void {
  const key = (kind: string) => ({ file: join(folder, 'consortium', member, `${kind}.key`) });
  const port = (name: string) => ports[members.indexOf(name)] ?? 0;
  const config = {
    member,
    writer,
    listen: { host: '127.0.0.1', port: port(member) },
    dataDir: dataOf(member),
    upstreams: { ehr: { url: upstreamUrl } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), rules },
    provenance: { masterKey: key('master') },
    ledger: {
      genesis: join(folder, 'consortium', 'genesis.json'),
      keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
      topic: { kind: 'file', path: join(folder, 'topic.db') },
      cosignatureTopic: { kind: 'file', path: join(folder, 'cosignatures.db') },
      peers: members
        .filter((peer) => peer !== member)
        .map((peer) => ({ member: peer, url: `http://127.0.0.1:${port(peer)}/ledger` })),
    },
    logging: { level: 'silent' },
  };
  writeFileSync(fileOf(member), JSON.stringify(config));
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const untilMs = Date.now() + 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > untilMs) assert.fail('it did not happen in time');
    await delay(100);
  }
}

async function create(gateway: RunningGateway): Promise<string> {
  const response = await fetch(`${gateway.url}/fhir/ehr/Patient`, {
    method: 'POST',
    headers: { 'content-type': 'application/fhir+json' },
    body: '{"resourceType":"Patient","active":true}',
  });
  assert.equal(response.status, 201);
  return response.headers.get('concordat-event') ?? '';
}

const receiptStatus = async (gateway: RunningGateway, event: string) =>
  (await fetch(`${gateway.url}/ledger/receipt/${event}`)).status;
const untilFinal = (gateway: RunningGateway, event: string) =>
  until(async () => ((await receiptStatus(gateway, event)) === 200 ? true : undefined));
const alarmsOf = async (gateway: RunningGateway) => {
  const { alarms } = (await (await fetch(`${gateway.url}/health/ready`)).json()) as { alarms: { kind: string }[] };
  return alarms.map((alarm) => alarm.kind);
};

describe('concordat recover', { timeout: 180_000 }, () => {
  const running: { upstream?: Upstream; a?: RunningGateway; b?: RunningGateway } = {};
  const ports: number[] = [];
  before(async () => {
    foundConsortium({
      origin: 'test.example/recover',
      members,
      ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(rules, 'utf8')))),
      outDir: join(folder, 'consortium'),
      random: (length) => new Uint8Array(randomBytes(length)),
    });
    running.upstream = await startUpstream({ name: 'ehr', port: 0, dataDir: join(folder, 'upstream') });
    ports.push(...(await findFreePorts(26_000, 2)));
    for (const member of members) writeConfig(member, `${member}-1`, ports, running.upstream.url);
    [running.a, running.b] = await Promise.all([
      startGateway(loadConfig(fileOf('a'))),
      startGateway(loadConfig(fileOf('b'))),
    ]);
  });
  after(async () => {
    await running.a?.close();
    await running.b?.close();
    await running.upstream?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('a restored gateway refuses to sign, and goes on under a new name without losing or doubling an event', async () => {
    assert.ok(running.a && running.b && running.upstream);
    const kept = await create(running.a);
    await untilFinal(running.a, kept);
    const copy = join(folder, 'copy');
    assert.equal((await runCli(['backup', '--config', fileOf('a'), '--out', copy])).code, 0);
    const lost = [await create(running.a), await create(running.a)];
    for (const event of lost) await untilFinal(running.a, event);
    await running.a.close();

    rmSync(join(dataOf('a'), 'provenance'), { recursive: true });
    assert.equal((await runCli(['restore', '--config', fileOf('a'), '--from', copy])).code, 0);
    running.a = await startGateway(loadConfig(fileOf('a')));
    const restored = running.a;
    await until(async () => ((await alarmsOf(restored)).includes('restored-backup') ? true : undefined));
    const waiting = await create(restored);
    assert.equal(
      (await runCli(['recover', '--config', fileOf('a'), '--writer', 'a-2'])).code,
      2,
      'refused while it runs',
    );
    await restored.close();

    const recovered = await runCli(['recover', '--config', fileOf('a'), '--writer', 'a-2', '--json']);
    assert.equal(recovered.code, 0, recovered.stderr);
    const report = JSON.parse(recovered.stdout) as { lost: string[]; requeued: number };
    assert.deepEqual(report.lost, lost);
    const again = await runCli(['recover', '--config', fileOf('a'), '--writer', 'a-2', '--json']);
    assert.deepEqual((JSON.parse(again.stdout) as { lost: string[] }).lost, lost, 'it may be done again');

    writeConfig('a', 'a-2', ports, running.upstream.url);
    running.a = await startGateway(loadConfig(fileOf('a')));
    await untilFinal(running.a, waiting);
    await untilFinal(running.a, await create(running.a));
    assert.deepEqual(await alarmsOf(running.a), []);
    const status = (await (await fetch(`${running.b.url}/ledger/status`)).json()) as {
      incidents: unknown[];
      events: number;
    };
    assert.deepEqual(status.incidents, []);
    assert.equal(status.events, 5);
  });
});
