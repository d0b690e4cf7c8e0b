import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import supertest from 'supertest';
import { startUpstream } from '../../src/demo/upstream.ts';
import type { Upstream } from '../../src/demo/upstream.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { plainParameters } from '../support/parameters.ts';
import { runCli } from '../support/run-cli.ts';

const FHIR = 'application/fhir+json';

describe('the tamper sweep over a server whose disk somebody else can write', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'concordat-sweep-'));
  let upstream: Upstream;
  let gateway: TestGateway;
  let url = '';
  let client: ReturnType<typeof supertest>;
  const ids = { untouched: '', altered: '', removed: '', erased: '' };

  before(async () => {
    upstream = await startUpstream({ name: 'ehr', port: 0, dataDir });
    gateway = await openGateway({ urls: { ehr: upstream.url } });
    url = await gateway.listen();
    client = supertest(url);
    for (const name of Object.keys(ids) as (keyof typeof ids)[]) ids[name] = await create(name);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
    rmSync(dataDir, { recursive: true });
  });

  async function create(family: string): Promise<string> {
    const body = { resourceType: 'Patient', name: [{ family }] };
    const answer = await client.post('/fhir/ehr/Patient').set('content-type', FHIR).send(body);
    assert.equal(answer.status, 201, answer.text);
    return (answer.body as { id: string }).id;
  }

  async function sweep(parameters: Record<string, string> = {}) {
    const parameter = Object.entries(parameters).map(([name, valueString]) => ({ name, valueString }));
    const answer = await client
      .post('/audit/$verify-sweep')
      .set('content-type', FHIR)
      .send({ resourceType: 'Parameters', parameter });
    assert.equal(answer.status, 200, answer.text);
    return { answer, ...plainParameters(answer.body) };
  }

  test('all match while nobody touched anything, and the question is an event of its own', async () => {
    const { values, parts, answer } = await sweep();
    assert.deepEqual([values['checked'], values['match'], values['coverage']], [4, 4, 100]);
    assert.deepEqual(parts, []);
    const record = gateway.record(answer.headers['concordat-event'] ?? '')?.record;
    assert.deepEqual([record?.kind, record?.interaction, record?.outcome], ['checked', 'operation', '0']);
  });

  test('changed and missing are listed by their version, after a change behind the gateway', async () => {
    const { port } = upstream;
    await fetch(`${upstream.url}/Patient/${ids.removed}`, { method: 'DELETE' });
    await upstream.close();
    editJournal(dataDir, '"altered"', '"Altered"');
    upstream = await startUpstream({ name: 'ehr', port, dataDir });
    const { values, parts } = await sweep();
    assert.deepEqual([values['checked'], values['match'], values['changed'], values['missing']], [4, 2, 1, 1]);
    const found = parts.map(({ values: finding }) => [finding['version'], finding['reason']]);
    assert.deepEqual(
      found.map(([version, reason]) => [String(version).replace(/\/_history\/.*$/, ''), reason]).sort(),
      [
        [`Patient/ehr.${ids.altered}`, 'changed'],
        [`Patient/ehr.${ids.removed}`, 'missing'],
      ].sort(),
    );
  });

  test('what was erased is counted, not named', async () => {
    const erased = await client.post(`/audit/Patient/ehr.${ids.erased}/$erase`);
    assert.equal(erased.status, 200, erased.text);
    const { values, parts } = await sweep();
    assert.deepEqual([values['checked'], values['match'], values['key-erased']], [4, 1, 1]);
    assert.equal(JSON.stringify(parts).includes(ids.erased), false);
  });

  test('a limit leaves the older ones out and says so; since looks at later ones only', async () => {
    const limited = await sweep({ limit: '1' });
    assert.equal(limited.values['checked'], 2, 'the erased one, newest, and the one before it');
    assert.equal(limited.values['coverage'], 50);
    const later = await sweep({ since: new Date(Date.now() + 60_000).toISOString() });
    assert.deepEqual([later.values['checked'], later.values['coverage']], [0, 100]);
    assert.equal((await sweep({ member: 'hospital' })).values['changed'], 1);
  });

  test('what cannot be understood is refused', async () => {
    const ask = (parameter: object) =>
      client.post('/audit/$verify-sweep').set('content-type', FHIR).send({ parameter });
    for (const [name, valueString] of [
      ['since', 'yesterday'],
      ['limit', '0'],
      ['limit', '100001'],
      ['member', 'nobody'],
      ['nonsense', '1'],
    ]) {
      assert.equal((await ask([{ name, valueString }])).status, 400, `${name}=${valueString}`);
    }
    assert.equal((await client.get('/audit/$verify-sweep')).status, 404);
  });

  test('an upstream that cannot be asked counts as unreachable', async () => {
    const { port } = upstream;
    await upstream.close();
    const { values } = await sweep();
    assert.equal(values['unreachable'], 3);
    upstream = await startUpstream({ name: 'ehr', port, dataDir });
  });

  test('the command prints it, and its exit code says that something does not match', async () => {
    await fetchUntilUp(`${upstream.url}/Patient/${ids.untouched}`);
    const run = await runCli(['sweep', '--url', url, '--since', '2020-01-01']);
    assert.equal(run.code, 1, run.stderr);
    assert.match(run.stdout, new RegExp(`Patient/ehr\\.${ids.altered}/_history/\\S+ +changed`));
  });
});

async function fetchUntilUp(url: string): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    if (
      await fetch(url).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Writes another content into the server's own file, checksums and all: what only who has its disk can do. */
function editJournal(folder: string, from: string, to: string): void {
  const [name = ''] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((one) => /journal/.test(one));
  const file = join(folder, name);
  const blocks = readFileSync(file, 'utf8')
    .split(/^#\d+ [0-9a-f]+\n/m)
    .slice(1);
  const edited = blocks.map((block) => {
    const payload = block.slice(0, -1).replaceAll(from, to);
    const bytes = Buffer.from(payload, 'utf8');
    return `#${bytes.length} ${crc32(bytes).toString(16)}\n${payload}\n`;
  });
  writeFileSync(file, edited.join(''));
}
