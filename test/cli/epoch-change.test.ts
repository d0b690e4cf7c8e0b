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
import { startGateway, type RunningGateway } from '../../src/main.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../../src/validation/rules.ts';
import { acceptNextLog } from '../support/member-files.ts';
import { concordat, runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-epoch-'));
const root = fileURLToPath(new URL('../..', import.meta.url));
const rules = join(root, 'profiles/rules/base.yaml');
const members = ['a', 'b', 'c'];
const [origin, nextOrigin] = ['test.example/first', 'test.example/second'];
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const at = (...path: readonly string[]): string => join(folder, ...path);
const [genesis, newGenesis, epoch] = [at('consortium', 'genesis.json'), at('second.json'), at('epoch.json')];
const fileOf = (member: string): string => at(`${member}.yaml`);

/** Configuration of a member in the first log, or in the one that goes on from it. */
function writeConfig(member: string, ports: readonly number[], upstreamUrl: string, isNext: boolean): void {
  const keyDir = isNext ? at('next', member) : at('consortium', member);
  const key = (kind: string) => ({ file: join(keyDir, `${kind}.key`) });
  const port = (name: string) => ports[members.indexOf(name)] ?? 0;
  const topic = isNext ? 'second' : 'first';
  const config = {
    member,
    writer: `${member}-1`,
    listen: { host: '127.0.0.1', port: port(member) },
    dataDir: at(`${member}-data`),
    upstreams: { ehr: { url: upstreamUrl } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), rules },
    provenance: { masterKey: { file: at('consortium', member, 'master.key') } },
    ledger: {
      genesis: isNext ? newGenesis : genesis,
      ...(isNext ? { previous: [{ genesis, epoch }] } : {}),
      keys: { batch: key('batch'), origin: key('origin'), cosigner: key('cosigner'), agreement: key('agreement') },
      topic: { kind: 'file', path: at(`${topic}.db`) },
      cosignatureTopic: { kind: 'file', path: at(`${topic}-cosignatures.db`) },
      peers: members
        .filter((peer) => peer !== member)
        .map((peer) => ({ member: peer, url: `http://127.0.0.1:${port(peer)}/ledger` })),
    },
    logging: { level: 'silent' },
  };
  writeFileSync(fileOf(member), JSON.stringify(config));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 150; i++) {
    if (await holds()) return;
    await delay(200);
  }
  assert.fail('it did not happen in time');
}

describe('a log that can no longer finalise', { timeout: 240_000 }, () => {
  let upstream: Upstream;
  let ports: readonly number[] = [];
  const gateways = new Map<string, RunningGateway>();
  const start = async (...names: readonly string[]): Promise<void> => {
    const started = await Promise.all(names.map((name) => startGateway(loadConfig(fileOf(name)))));
    names.forEach((name, i) => gateways.set(name, started[i] as RunningGateway));
  };
  const stop = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) await gateways.get(name)?.close();
    for (const name of names) gateways.delete(name);
  };
  before(async () => {
    foundConsortium({
      origin,
      members,
      ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(rules, 'utf8')))),
      outDir: at('consortium'),
      random,
    });
    upstream = await startUpstream({ name: 'ehr', port: 0, dataDir: at('upstream') });
    ports = await findFreePorts(27_400, 3);
    for (const member of members) writeConfig(member, ports, upstream.url, false);
    await start(...members);
  });
  after(async () => {
    await stop(...gateways.keys());
    await upstream?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const create = async (member: string): Promise<string> => {
    const reply = await fetch(`${gateways.get(member)?.url}/fhir/ehr/Patient`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: '{"resourceType":"Patient","active":true}',
    });
    assert.equal(reply.status, 201);
    return reply.headers.get('concordat-event') ?? '';
  };
  const receiptOf = async (member: string, event: string): Promise<Uint8Array | undefined> => {
    const reply = await fetch(`${gateways.get(member)?.url}/ledger/receipt/${event}`);
    const body = new Uint8Array(await reply.arrayBuffer());
    return reply.status === 200 ? body : undefined;
  };
  const finalEverywhere = (names: readonly string[], events: readonly string[]): Promise<void> =>
    until(async () => {
      for (const name of names)
        for (const event of events) if ((await receiptOf(name, event)) === undefined) return false;
      return true;
    });

  const health = async (member: string): Promise<{ alarms: { kind: string }[] }> =>
    (await (await fetch(`${gateways.get(member)?.url}/health/ready`)).json()) as { alarms: { kind: string }[] };

  const early: string[] = [];
  const late: string[] = [];

  test('keeps what its members write after one of them is gone', async () => {
    early.push(await create('a'), await create('b'), await create('c'));
    await finalEverywhere(members, early);
    await stop('c');
    late.push(await create('a'), await create('a'), await create('b'));
    // Sealed and on the topic, but never final: with three, all must cosign.
    await until(async () => {
      const reply = await fetch(`${gateways.get('a')?.url}/ledger/receipt/${late[0] ?? ''}`);
      return ((await reply.json()) as { signers?: number }).signers === 2;
    });
  });

  test('is left by the two others for one that goes on from its last final checkpoint', async () => {
    const dirs = { fromDir: at('consortium'), toDir: at('next') };
    const memberFiles = await acceptNextLog({ members: ['a', 'b'], origin: nextOrigin, ...dirs });
    const made = ['--config', fileOf('a'), '--origin', nextOrigin, '--member-file', ...memberFiles];
    await concordat('governance', 'next-genesis', ...made, '--out', newGenesis);
    const agreeing = ['--new-genesis', newGenesis];
    // The topic still works, so that the third member finds there what happened.
    const propose = ['governance', 'propose', 'open-epoch', ...agreeing, '--config', fileOf('a'), '--json'];
    const { proposal } = JSON.parse(await concordat(...propose)) as { proposal: string };
    await concordat('governance', 'vote', proposal, ...agreeing, '--config', fileOf('b'));
    await until(async () => (await health('b')).alarms.some(({ kind }) => kind === 'log-ended'));
    const taken = ['--proposal', proposal, '--config', fileOf('b')];
    await concordat('governance', 'epoch', ...taken, '--genesis', genesis, ...agreeing, '--out', epoch);
    const before_ = (await (await fetch(`${gateways.get('a')?.url}/ledger/status`)).json()) as { signedSize: number };
    await stop('a', 'b');
    for (const member of ['a', 'b']) writeConfig(member, ports, upstream.url, true);
    await start('a', 'b');
    const event = await create('b');
    await finalEverywhere(['a', 'b'], [...late, event]);
    for (const id of [...late, event]) {
      writeFileSync(at('receipt'), (await receiptOf('b', id)) ?? '');
      assert.match(await concordat('verify', at('receipt'), '--genesis', newGenesis), /^holds: /m);
      assert.equal((await runCli(['verify', at('receipt'), '--genesis', genesis])).code, 1);
    }
    const status = (await (await fetch(`${gateways.get('a')?.url}/ledger/status`)).json()) as {
      origin: string;
      incidents: unknown[];
    };
    assert.deepEqual([status.origin, status.incidents], [nextOrigin, []]);
    assert.ok(before_.signedSize > 0);
  });

  test('still proves what was final in it, up to the agreed end', async () => {
    for (const id of early) {
      const receipt = await receiptOf('a', id);
      assert.ok(receipt !== undefined);
      writeFileSync(at('receipt'), receipt);
      const ended = ['--epoch', epoch, '--new-genesis', newGenesis];
      assert.match(await concordat('verify', at('receipt'), '--genesis', genesis, ...ended), /^holds: /m);
    }
    const reply = await fetch(`${gateways.get('a')?.url}/ledger/previous/0/checkpoint`);
    assert.match(await reply.text(), new RegExp(`^${origin}\n`));
    assert.match(await concordat('fsck', '--config', fileOf('a')), /^whole: /);
    const audit = await fetch(`${gateways.get('a')?.url}/audit/AuditEvent?_count=50`);
    const bundle = (await audit.json()) as { entry: { resource: { meta: { tag: { code: string }[] } } }[] };
    const states = bundle.entry.map(({ resource }) => resource.meta.tag[0]?.code);
    assert.deepEqual(states, ['final', 'final', 'final']);
  });

  test('is never cosigned again by who left it, and takes nobody back who did not agree', async () => {
    await stop('a', 'b');
    writeConfig('a', ports, upstream.url, false);
    await assert.rejects(startGateway(loadConfig(fileOf('a'))), { code: 'other-log' });
    writeConfig('a', ports, upstream.url, true);
    const forged = at('forged.json');
    writeFileSync(forged, readFileSync(epoch, 'utf8').replace(/"header":"..../, '"header":"AAAA'));
    const config = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as { ledger: { previous: { epoch: string }[] } };
    const [previous] = config.ledger.previous;
    assert.ok(previous !== undefined);
    previous.epoch = forged;
    writeFileSync(fileOf('a'), JSON.stringify(config));
    await assert.rejects(startGateway(loadConfig(fileOf('a'))), { code: 'configuration' });
  });
});
