import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { foundConsortium } from '../../src/cli/consortium.ts';
import { makeKey, writeKeyFile } from '../../src/cli/key-files.ts';
import { loadConfig } from '../../src/config/config.ts';
import { parseYaml } from '../../src/config/parse-yaml.ts';
import { findFreePorts } from '../../src/demo/free-ports.ts';
import { startUpstream } from '../../src/demo/upstream.ts';
import type { Upstream } from '../../src/demo/upstream.ts';
import { startGateway } from '../../src/main.ts';
import type { RunningGateway } from '../../src/main.ts';
import type { GovernanceReport } from '../../src/ledger/governance-report.ts';
import { parseRules } from '../../src/validation/rules-parse.ts';
import { ruleSetDigest } from '../../src/validation/rules.ts';
import { acceptNextLog } from '../support/member-files.ts';
import { concordat, runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-governance-'));
const root = fileURLToPath(new URL('../..', import.meta.url));
const rules = join(root, 'profiles/rules/base.yaml');
const members = ['a', 'b'];
const origin = 'test.example/governance';
const fileOf = (member: string) => join(folder, `${member}.yaml`);
const genesis = join(folder, 'consortium', 'genesis.json');

function writeConfig(member: string, ports: readonly number[], upstreamUrl: string): void {
  const key = (kind: string) => ({ file: join(folder, 'consortium', member, `${kind}.key`) });
  const port = (name: string) => ports[members.indexOf(name)] ?? 0;
  const config = {
    member,
    writer: `${member}-1`,
    listen: { host: '127.0.0.1', port: port(member) },
    dataDir: join(folder, `${member}-data`),
    upstreams: { ehr: { url: upstreamUrl } },
    auth: { mode: 'open' },
    validation: { packagesDir: join(root, 'profiles'), rules },
    provenance: { masterKey: key('master') },
    ledger: {
      genesis,
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

async function report(): Promise<GovernanceReport> {
  const { host, port } = loadConfig(fileOf('b')).listen;
  return (await (await fetch(`http://${host}:${port}/ledger/governance`)).json()) as GovernanceReport;
}

async function alarms(): Promise<string[]> {
  const { host, port } = loadConfig(fileOf('a')).listen;
  const health = (await (await fetch(`http://${host}:${port}/health/ready`)).json()) as { alarms: { kind: string }[] };
  return health.alarms.map(({ kind }) => kind);
}

async function propose(...args: readonly string[]): Promise<string> {
  const printed = await concordat('governance', 'propose', ...args, '--config', fileOf('a'), '--json');
  return (JSON.parse(printed) as { proposal: string }).proposal;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (await holds()) return;
    await delay(100);
  }
  assert.fail('it did not happen in time');
}

/** Proposes as `a`, votes as `b`, and waits until `b` sees it in force. */
async function enact(...args: readonly string[]): Promise<GovernanceReport> {
  const { proposal } = JSON.parse(
    await concordat('governance', 'propose', ...args, '--config', fileOf('a'), '--json'),
  ) as { proposal: string };
  await concordat('governance', 'vote', proposal, '--config', fileOf('b'));
  for (let i = 0; i < 60; i++) {
    const now = await report();
    if (now.proposals.find(({ id }) => id === proposal)?.status === 'in-force') return now;
    await delay(250);
  }
  assert.fail(await concordat('governance', 'show', proposal.slice(0, 12), '--config', fileOf('b')));
}

describe('concordat governance', { timeout: 240_000 }, () => {
  const running: { upstream?: Upstream; gateways: RunningGateway[] } = { gateways: [] };
  before(async () => {
    foundConsortium({
      origin,
      members,
      ruleSet: ruleSetDigest(parseRules(parseYaml(readFileSync(rules, 'utf8')))),
      outDir: join(folder, 'consortium'),
      random: (length) => new Uint8Array(randomBytes(length)),
    });
    running.upstream = await startUpstream({ name: 'ehr', port: 0, dataDir: join(folder, 'upstream') });
    const ports = await findFreePorts(27_000, 2);
    for (const member of members) writeConfig(member, ports, running.upstream.url);
    running.gateways = await Promise.all(members.map((member) => startGateway(loadConfig(fileOf(member)))));
  });
  after(async () => {
    for (const gateway of running.gateways) await gateway.close();
    await running.upstream?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const create = () => {
    return fetch(`${running.gateways[0]?.url}/fhir/ehr/Patient`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: '{"resourceType":"Patient","active":true}',
    });
  };

  test('changes are proposed, voted on and in force, and receipts after them still prove their author', async () => {
    const changed = await enact('change-quorum', '--quorum', '3/4');
    assert.deepEqual(changed.quorumRule, { numerator: 3, denominator: 4 });
    const [proposal] = changed.proposals;
    assert.deepEqual([proposal?.proposer, proposal?.yes, proposal?.open], ['a', ['a', 'b'], []]);
    const event = (await create()).headers.get('concordat-event') ?? '';
    const receipt = join(folder, 'receipt');
    await concordat('receipt', event, '--config', fileOf('b'), '--wait', '30', '--out', receipt);
    assert.match(await concordat('verify', receipt, '--genesis', genesis), /^author: a, /m);
  });

  test('parameters are replaced by those of a file', async () => {
    const file = join(folder, 'parameters.yaml');
    writeFileSync(file, 'cutIntervalMs: 900\nidleCutIntervalMs: 20000\nfreezeAfterMs: 80000\nruleSetGraceCuts: 2\n');
    const { parameters } = await enact('change-parameters', '--parameters', file);
    assert.deepEqual(parameters, {
      cutIntervalMs: 900,
      idleCutIntervalMs: 20_000,
      freezeAfterMs: 80_000,
      ruleSetGraceCuts: 2,
    });
  });

  test('a gateway that lacks the adopted rule set refuses writes and names the digest; reads go on', async () => {
    const written = (await create()).headers.get('location') ?? '';
    const digest = 'cd'.repeat(32);
    await enact('adopt-rule-set', '--digest', digest);
    await until(async () => (await create()).status === 503);
    assert.match(await (await create()).text(), new RegExp(digest));
    assert.equal((await fetch(written)).status, 200);
    assert.ok((await alarms()).includes('rule-set'));
    const adopted = await enact('adopt-rule-set', '--rules', rules);
    assert.deepEqual(
      adopted.ruleSets.map(({ index }) => index),
      [0, 1, 2],
    );
    await until(async () => (await create()).status === 201);
    assert.ok(!(await alarms()).includes('rule-set'));
  });

  test('a change that a member votes down is rejected', async () => {
    const id = await propose('change-quorum', '--quorum', '4/5');
    await concordat('governance', 'vote', id, 'no', '--config', fileOf('b'));
    await until(async () =>
      (await report()).proposals.some((proposal) => proposal.id === id && proposal.status === 'rejected'),
    );
    assert.match(
      await concordat('governance', 'show', id.slice(0, 12), '--config', fileOf('b')),
      /^status: rejected$/m,
    );
  });

  test('what every member would refuse is not sent, and its rule is told', async () => {
    const { leafIndex, id } = (await report()).proposals[0] ?? { leafIndex: -1, id: '' };
    const junk = join(folder, 'junk');
    writeFileSync(junk, 'no evidence');
    const open = await propose('change-quorum', '--quorum', '5/6');
    const cases: readonly (readonly [RegExp, ...string[]])[] = [
      [/x is no member/, 'propose', 'suspend', '--member', 'x', '--freeze', '1'],
      [/--evidence must be/, 'propose', 'accept-evidence', '--member', 'b', '--evidence', junk],
      [/is in force already/, 'propose', 'adopt-rule-set', '--rules', rules],
      [new RegExp(`already voted yes on ${open}`), 'vote', open],
      [new RegExp(`already voted yes on ${open}`), 'vote', open.slice(0, 8), 'yes'],
      [/already voted yes on .* first word/, 'vote', open, 'no'],
      [/already voted yes on/, 'vote', id.slice(0, 12)],
      [/no such proposal/, 'vote', '0'.repeat(64)],
    ];
    for (const [words, ...args] of cases) {
      const { code, stdout, stderr } = await runCli(['governance', ...args, '--config', fileOf('a')]);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, words);
      assert.match(stderr, /^concordat: [^\n]*\n$/);
    }
    const voted = await concordat('governance', 'vote', open.slice(0, 8), 'no', '--config', fileOf('b'));
    assert.equal(voted, `voted no\non: ${open}, change-quorum\n`);
    await until(async () => (await report()).proposals.some((each) => each.id === open && each.status === 'rejected'));
    assert.deepEqual(
      (await report()).proposals.filter((each) => each.leafIndex > leafIndex).map((each) => each.id),
      [open],
    );
    const { host, port } = loadConfig(fileOf('b')).listen;
    const { incidents } = (await (await fetch(`http://${host}:${port}/ledger/status`)).json()) as {
      incidents: unknown[];
    };
    assert.deepEqual(incidents, []);
  });

  test('an act that cannot be checked is sent only if that is said', async () => {
    const without = join(folder, 'without.yaml');
    const config = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as object;
    writeFileSync(without, JSON.stringify({ ...config, dataDir: join(folder, 'empty') }));
    const args = ['governance', 'propose', 'change-quorum', '--quorum', '6/7', '--json', '--config', without];
    const { code, stderr } = await runCli(args);
    assert.equal(code, 3);
    assert.match(
      stderr,
      /no replica .* [1-9][0-9]* records: .* could not be checked, and nothing was sent; .* --unchecked/,
    );
    const { proposal } = JSON.parse(await concordat(...args, '--unchecked')) as { proposal: string };
    await until(async () => (await report()).proposals.some(({ id }) => id === proposal));
    const ofB = JSON.parse(readFileSync(fileOf('b'), 'utf8')) as object;
    writeFileSync(without, JSON.stringify({ ...ofB, dataDir: join(folder, 'empty') }));
    // Found in the topic alone, by how it begins.
    const voting = ['governance', 'vote', proposal.slice(0, 8), 'no', '--config', without];
    assert.equal((await runCli(voting)).code, 3);
    assert.match(await concordat(...voting, '--unchecked'), new RegExp(`^voted no\\non: ${proposal}, `));
    await until(async () => (await report()).proposals.some((each) => each.id === proposal && each.no.includes('b')));
    const again = ['governance', 'vote', proposal.slice(0, 8), '--config', fileOf('b'), '--unchecked'];
    assert.equal((await runCli(again)).code, 1, 'what can be checked is, whatever is said');
  });

  test('once its keys have changed, a member acts with the new ones', async () => {
    const keys = join(folder, 'renewed');
    const made = ['batch', 'origin', 'cosigner', 'agreement'] as const;
    for (const kind of made) {
      const key = makeKey({ kind, member: 'a', origin, random: (length) => new Uint8Array(randomBytes(length)) });
      writeKeyFile(join(keys, `${kind}.key`), key.secret);
    }
    const file = join(folder, 'a.json');
    await concordat('governance', 'accept', '--origin', origin, '--member', 'a', '--keys', keys, '--out', file);
    const config = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as { ledger: Record<string, unknown> };
    config.ledger['nextKeys'] = Object.fromEntries(made.map((kind) => [kind, { file: join(keys, `${kind}.key`) }]));
    writeFileSync(fileOf('a'), JSON.stringify(config));
    await running.gateways[0]?.close();
    running.gateways[0] = await startGateway(loadConfig(fileOf('a')));
    await enact('rotate-key', '--member-file', file, '--grace', '0');
    const outdated = join(folder, 'outdated.yaml');
    writeFileSync(outdated, JSON.stringify({ ...config, ledger: { ...config.ledger, nextKeys: undefined } }));
    const change = ['governance', 'propose', 'change-quorum', '--quorum', '4/5', '--config'];
    const refused = await runCli([...change, outdated]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /nothing was sent: .* keys of a that are in force/);
    const id = await propose('change-quorum', '--quorum', '4/5');
    await until(async () => (await report()).proposals.some((proposal) => proposal.id === id));
    await concordat('governance', 'vote', id, 'no', '--config', fileOf('b'));
  });

  test('a member joins with a file that it signed itself', async () => {
    const keys = join(folder, 'newcomer');
    for (const kind of ['batch', 'origin', 'cosigner', 'agreement'] as const) {
      const key = makeKey({ kind, member: 'c', origin, random: (length) => new Uint8Array(randomBytes(length)) });
      writeKeyFile(join(keys, `${kind}.key`), key.secret);
    }
    const file = join(folder, 'c.json');
    await concordat('governance', 'accept', '--origin', origin, '--member', 'c', '--keys', keys, '--out', file);
    assert.ok(!readFileSync(file, 'utf8').includes(readFileSync(join(keys, 'batch.key'), 'utf8').trim().slice(-30)));
    const joined = await enact('admit', '--member-file', file);
    assert.deepEqual(
      joined.members.map(({ name }) => name),
      ['a', 'b', 'c'],
    );
    assert.equal(joined.quorum, 3);
    const { ledger } = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as { ledger: { peers: object[] } };
    const later = join(folder, 'later.yaml');
    const peers = ['c', 'd'].map((member) => ({ member, url: 'http://127.0.0.1:9/ledger' }));
    const config = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as object;
    writeFileSync(later, JSON.stringify({ ...config, ledger: { ...ledger, peers } }));
    const { warnings } = JSON.parse(await concordat('check-config', later, '--json')) as {
      warnings: { path: string }[];
    };
    assert.deepEqual(
      warnings.map(({ path }) => path),
      ['ledger.peers[1].member', 'ledger.nextKeys', 'auth.mode'],
      'the own replica knows who was admitted, and which keys are in force',
    );
  });

  test('the others open an epoch without the topic, and whoever pins the old genesis can check it', async () => {
    const nextOrigin = `${origin}/2`;
    const [newGenesis, proposal, vote, epoch] = ['new-genesis.json', 'proposal', 'vote', 'epoch'].map((name) =>
      join(folder, name),
    ) as [string, string, string, string];
    const dirs = { fromDir: join(folder, 'consortium'), toDir: join(folder, 'next') };
    const memberFiles = await acceptNextLog({ members: ['a', 'b'], origin: nextOrigin, ...dirs });
    const made = ['governance', 'next-genesis', '--config', fileOf('a'), '--origin', nextOrigin, '--out', newGenesis];
    await concordat(...made, '--member-file', ...memberFiles);
    const agreeing = ['--new-genesis', newGenesis];
    await concordat('governance', 'propose', 'open-epoch', ...agreeing, '--config', fileOf('a'), '--out', proposal);
    // Nobody signs for another log without having compared it with the own one.
    assert.equal((await runCli(['governance', 'vote', proposal, '--config', fileOf('b'), '--out', vote])).code, 2);
    assert.equal(
      (await runCli(['governance', 'vote', proposal, '--config', fileOf('b'), '--new-genesis', genesis])).code,
      1,
    );
    await concordat('governance', 'vote', proposal, ...agreeing, '--config', fileOf('b'), '--out', vote);
    const pins = ['--genesis', genesis, ...agreeing];
    const history = join(folder, 'history');
    const { host, port } = loadConfig(fileOf('b')).listen;
    const served = await fetch(`http://${host}:${port}/ledger/history`);
    writeFileSync(history, new Uint8Array(await served.arrayBuffer()));
    pins.push('--history', history);
    // Two of three others: with the newcomer the log has three members.
    assert.equal((await runCli(['governance', 'epoch', proposal, ...pins, '--out', epoch])).code, 1);
    assert.match(
      await concordat('governance', 'epoch', proposal, vote, ...pins, '--out', epoch),
      /goes on from test\.example\/governance at size/,
    );
    assert.match(await concordat('governance', 'epoch', epoch, ...pins), /^genesis: [0-9a-f]{64}$/m);
    // a's keys had changed: who knows the genesis alone is told what is missing.
    const lacking = await runCli(['governance', 'epoch', epoch, '--genesis', genesis, '--new-genesis', newGenesis]);
    assert.equal(lacking.code, 1);
    assert.match(lacking.stdout, /^does not hold: .* \(bad-signature\)\n.* --history /);
  });

  test('what is missing is said, and nothing is sent', async () => {
    const before_ = (await report()).proposals.length;
    for (const args of [['suspend', '--member', 'b'], ['change-quorum', '--quorum', '1/2'], ['unheard-of']]) {
      const { code } = await runCli(['governance', 'propose', ...args, '--config', fileOf('a')]);
      assert.equal(code, 2, args.join(' '));
    }
    const { stderr } = await runCli([
      'governance',
      'propose',
      'change-quorum',
      '--quorum',
      'x',
      '--config',
      fileOf('a'),
    ]);
    assert.match(stderr, /n\/d, such as 3\/4/);
    assert.equal((await runCli(['governance', 'vote', 'abc', '--config', fileOf('a')])).code, 2);
    assert.equal((await runCli(['governance', 'show', 'ffff', '--config', fileOf('a')])).code, 1);
    assert.equal((await report()).proposals.length, before_);
  });

  test('a replica that lags, or has read further than the topic goes, is told with how far', async () => {
    for (const gateway of running.gateways.splice(0)) await gateway.close();
    const topic = new DatabaseSync(join(folder, 'topic.db'));
    topic.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
      INSERT INTO records (value) SELECT x'00' FROM n`);
    topic.close();
    const args = ['governance', 'propose', 'change-quorum', '--quorum', '8/9', '--config'];
    const lagging = await runCli([...args, fileOf('a')]);
    assert.equal(lagging.code, 3);
    assert.match(lagging.stderr, /replica is 60[0-9]{2} records behind the topic: .* --unchecked\n$/);
    const other = join(folder, 'other-topic.yaml');
    const config = JSON.parse(readFileSync(fileOf('a'), 'utf8')) as { ledger: object };
    const ledger = { ...config.ledger, topic: { kind: 'file', path: join(folder, 'other.db') } };
    writeFileSync(other, JSON.stringify({ ...config, ledger }));
    const ahead = await runCli([...args, other]);
    assert.equal(ahead.code, 3);
    assert.match(ahead.stderr, /topic ends [1-9][0-9]* records before where the own replica has read it: /);
  });
});
