import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findFreePorts } from '../../src/demo/free-ports.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-demo-'));
const dataDir = join(folder, 'data');
const jsonFile = join(folder, 'summary.json');
const cli = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Summary {
  members: {
    name: string;
    gatewayUrl: string;
    auditUrl: string;
    ledgerUrl: string;
    upstreams: { name: string; url: string }[];
    replica: { size: number; root: string };
    originKey: string;
  }[];
  origin: string;
  genesis: string;
  policy: string;
  receipt: string;
  final: { size: number; root: string };
  accepted: number;
  refused: number;
  refusals: {
    status: number;
    upstream: string;
    type: string;
    event: string | null;
    issues: { code: string; expression: string | null }[];
  }[];
  dataDir: string;
  token: string;
}

const running = new Set<ChildProcess>();
after(async () => {
  for (const child of running) child.kill('SIGKILL');
  await until(() => demoPids().every((pid) => !isAlive(pid)));
  rmSync(folder, { recursive: true, force: true });
});

function start(
  port: number,
  ...more: string[]
): { child: ChildProcess; ended: Promise<number | null>; output: () => string } {
  const args = [
    '--disable-warning=ExperimentalWarning',
    cli,
    'start',
    '--data',
    dataDir,
    '--json',
    jsonFile,
    '--port',
    String(port),
    ...more,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const parts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => parts.push(chunk.toString()));
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return { child, ended, output: () => parts.join('') };
}

function demoPids(): number[] {
  const file = join(dataDir, 'processes.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as number[]) : [];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 100_000): Promise<void> {
  const untilMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > untilMs) assert.fail('it did not happen in time');
    await delay(100);
  }
}

const readSummary = () => JSON.parse(readFileSync(jsonFile, 'utf8')) as Summary;
const getJson = async (url: string, token?: string) => {
  const response = await fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  return {
    status: response.status,
    body: (await response.json()) as { total?: number; id?: string; entry?: { resource: { id: string } }[] },
  };
};

async function checkSummary(summary: Summary): Promise<void> {
  assert.deepEqual(
    summary.members.map((member) => member.name),
    ['hospital', 'clinics', 'payer'],
  );
  for (const member of summary.members) {
    assert.deepEqual(member.replica, summary.final);
    assert.equal(member.upstreams.length, 2);
    assert.ok(member.originKey.startsWith(`${summary.origin}+`));
  }
  assert.ok(summary.final.size > 1);
  assert.ok(summary.accepted > 0);
  assert.equal(summary.refused, summary.refusals.length);
  const statuses = new Set(summary.refusals.map((refusal) => refusal.status));
  for (const status of [400, 401, 403, 422]) assert.ok(statuses.has(status), String(status));
  for (const { status, event, issues } of summary.refusals) {
    if (status === 403 || status === 422) assert.match(event ?? '', /^[A-Za-z0-9_-]{22}$/);
    if (status === 401) assert.equal(event, null);
    assert.ok(issues.length > 0);
  }
  const byGenesis = await runCli(['verify', summary.receipt, '--genesis', summary.genesis, '--json']);
  assert.equal(byGenesis.code, 0);
  assert.ok(
    summary.members.some((member) => member.name === (JSON.parse(byGenesis.stdout) as { author: string }).author),
  );
  const byPolicy = await runCli(['verify', summary.receipt, '--policy', summary.policy]);
  assert.equal(byPolicy.code, 0);
  assert.match(byPolicy.stdout, /^author: not checked$/m);
  const altered = join(folder, 'altered.txt');
  const receipt = readFileSync(summary.receipt, 'utf8');
  writeFileSync(
    altered,
    receipt.replace(/^index (\d+)$/m, (_line, index: string) => `index ${Number(index) + 1}`),
  );
  assert.notEqual(readFileSync(altered, 'utf8'), receipt);
  assert.equal((await runCli(['verify', altered, '--genesis', summary.genesis])).code, 1);
  assert.equal((await runCli(['verify', summary.policy, '--genesis', summary.genesis])).code, 2);
}

/** Patients in each upstream, asked directly. */
async function patientIds(summary: Summary): Promise<string[]> {
  const upstreams = summary.members.flatMap((member) => member.upstreams);
  const lists = await Promise.all(upstreams.map(({ url }) => getJson(`${url}/Patient?_count=100`)));
  return lists.flatMap(({ body }) => (body.entry ?? []).map((entry) => entry.resource.id)).sort();
}

describe('the demo consortium', { timeout: 300_000 }, () => {
  const first: { summary?: Summary; patients?: string[] } = {};

  test('comes up, tells its story, and is open to the token of its summary', async () => {
    const [port = 0] = await findFreePorts(23_000, 1);
    const demo = start(port);
    await until(() => existsSync(jsonFile) || demo.child.exitCode !== null);
    await until(() => demo.output().includes('Running until Ctrl-C') || demo.child.exitCode !== null);
    assert.equal(demo.child.exitCode, null, demo.output());
    const summary = readSummary();
    await checkSummary(summary);
    const [hospital] = summary.members;
    assert.ok(hospital);
    const patients = await patientIds(summary);
    assert.equal(patients.length, 12);
    const upstream = hospital.upstreams[0]?.name ?? '';
    assert.equal((await getJson(`${hospital.gatewayUrl}/${upstream}/Patient?_count=1`)).status, 401);
    const found = await getJson(`${hospital.gatewayUrl}/${upstream}/Patient?_count=1`, summary.token);
    const id = found.body.entry?.[0]?.resource.id ?? '';
    const audit = await getJson(
      `${hospital.auditUrl}/AuditEvent?patient=Patient/${upstream}.${id}&_count=1`,
      summary.token,
    );
    assert.equal(audit.status, 200);
    assert.ok((audit.body.entry ?? []).length > 0);
    for (const { name, ledgerUrl } of summary.members) {
      const served = await runCli(['fsck', '--ledger', ledgerUrl, '--genesis', summary.genesis]);
      assert.equal(served.code, 0, `${name}: ${served.stdout}`);
      const stored = await runCli(['fsck', '--config', join(dataDir, 'members', name, 'gateway.yaml'), '--topic']);
      assert.equal(stored.code, 0, `${name}: ${stored.stdout}`);
    }
    const pids = demoPids();
    assert.equal(pids.length, 10);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await demo.ended;
    const copy = join(folder, 'ledger-copy');
    cpSync(join(dataDir, 'members', 'payer', 'data', 'ledger'), copy, { recursive: true });
    const headers = readFileSync(join(copy, 'headers.bin'));
    headers[400] = (headers[400] ?? 0) ^ 1;
    writeFileSync(join(copy, 'headers.bin'), headers);
    assert.equal((await runCli(['fsck', '--data', copy, '--genesis', summary.genesis])).code, 1);
    Object.assign(first, { summary, patients });
  });

  test('goes on after everything was killed, with its data, and ends by itself with --exit', async () => {
    const { summary: before, patients } = first;
    assert.ok(before && patients, 'the first start failed');
    rmSync(jsonFile);
    const [port = 0] = await findFreePorts(23_100, 1);
    const demo = start(port, '--exit');
    // Asked while it runs: the upstreams hold what they held, and the earlier token is still good.
    await until(() => demo.output().includes('Exchanging') || demo.child.exitCode !== null);
    const gateway = `http://127.0.0.1:${port}/fhir`;
    assert.equal((await getJson(`${gateway}/ehr/Patient?_count=1`, before.token)).status, 200);
    assert.equal(await demo.ended, 0, demo.output());
    const summary = readSummary();
    await checkSummary(summary);
    assert.ok(summary.final.size > before.final.size);
    assert.equal(summary.genesis, before.genesis);
    assert.deepEqual(
      summary.members.map((member) => member.originKey),
      before.members.map((member) => member.originKey),
    );
    await until(() => demoPids().every((pid) => !isAlive(pid)), 5_000);
  });

  test('stops in order when interrupted while it starts', async () => {
    const [port = 0] = await findFreePorts(23_200, 1);
    const demo = start(port);
    await until(() => demoPids().length === 10 || demo.child.exitCode !== null);
    const pids = demoPids();
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 1);
    assert.deepEqual(pids.filter(isAlive), []);
    assert.ok(!existsSync(join(dataDir, 'processes.json')));
  });
});
