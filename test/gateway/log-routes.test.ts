import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { OperationOutcome } from '@medplum/fhirtypes';
import supertest from 'supertest';
import { encodeUtf8 } from '../../src/ledger/encoding.ts';
import { parseEvent } from '../../src/ledger/event.ts';
import { LedgerError } from '../../src/ledger/ledger-error.ts';
import { createPeerClient } from '../../src/gateway/peer-client.ts';
import { PeerError } from '../../src/gateway/peer-error.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import type { AddCheckpointResult } from '../../src/ledger/peer.ts';
import { TransportError } from '../../src/ledger/transport.ts';
import { exampleEvent, SmallLog } from '../ledger/support/small-log.ts';
import { openGateway } from '../support/gateway.ts';
import type { TestGateway } from '../support/gateway.ts';
import { emptyLedgerView } from '../support/ledger-view.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const blob = bytes('a header');
const hash = new Uint8Array(createHash('sha256').update(blob).digest());

/** The routes of the ledger, without a token, and the client with which members ask each other, against one another. */
describe('the ledger over HTTP', () => {
  let gateway: TestGateway;
  let client: ReturnType<typeof supertest>;
  let peer: ReturnType<typeof createPeerClient>;
  let result: AddCheckpointResult = { status: 200, cosignatures: '— w sig\n' };
  const bodies: Uint8Array[] = [];

  const ledger: LedgerView = {
    ...emptyLedgerView(),
    checkpoint: () => bytes('origin\n7\nroot\n'),
    tile: (level, index, width) => (level === 0 && index === 1234067 && width === 8 ? bytes('tile') : undefined),
    entryBundle: (index, width) => (index === 0 && width === undefined ? bytes('entries') : undefined),
    blob: (wanted) => (Buffer.from(wanted).equals(hash) ? blob : undefined),
    policyFile: () => 'log x\n',
    genesisBytes: () => bytes('{}'),
    receipt: (id) => {
      if (id === 'final') return { state: 'final', text: 'c2sp.org/tlog-proof@v1\n' };
      if (id.startsWith('pruned')) return { state: 'pruned', author: 'clinics', unreachable: [] };
      return id === 'pending' ? { state: 'pending', signers: 1, members: 3 } : { state: 'unknown' };
    },
    fetchReceipt: (id) => {
      if (id === 'pruned-many') throw new LedgerError('unavailable', 'too many');
      if (id === 'pruned-healed') return Promise.resolve({ state: 'final', text: 'c2sp.org/tlog-proof@v1\n' });
      const unreachable = id === 'pruned-partly' ? ['payer', 'lab'] : [];
      return Promise.resolve({ state: 'pruned', author: 'clinics', unreachable });
    },
    head: (writer) =>
      writer === 'w-1' ? { writer, member: 'm', batch: 4, headerHash: hash, nextEvent: 9, leafIndex: 5 } : undefined,
    relay: async (frame) => {
      const [answer = 0] = frame;
      if (answer > 1) throw new TransportError('outcome-unknown', 'no answer');
      return answer === 1;
    },
    evidenceNames: () => ['e1'],
    evidence: (name) => (name === 'e1' ? bytes('evidence') : undefined),
    addCheckpoint: (body) => {
      bodies.push(body);
      return Promise.resolve(result);
    },
  };

  before(async () => {
    gateway = await openGateway({ upstreams: [], urls: {}, parts: { ledger } });
    const url = await gateway.listen();
    client = supertest(url);
    peer = createPeerClient({ member: 'm', url: `${url}/ledger` });
  });
  after(() => gateway.close());

  const table: readonly (readonly [path: string, type: RegExp, cache: RegExp])[] = [
    ['checkpoint', /^text\/plain/, /no-cache/],
    ['tile/0/x001/x234/067.p/8', /^application\/octet-stream/, /immutable/],
    ['tile/entries/000', /^application\/octet-stream/, /immutable/],
    ['blob/' + Buffer.from(hash).toString('hex'), /^application\/octet-stream/, /immutable/],
    ['policy', /^text\/plain/, /no-cache/],
    ['genesis', /^application\/json/, /immutable/],
    ['receipt/final', /^text\/plain/, /no-cache/],
    ['head/w-1', /^application\/json/, /no-cache/],
    ['evidence', /^application\/json/, /no-cache/],
    ['evidence/e1', /^application\/octet-stream/, /immutable/],
  ];
  for (const [path, type, cache] of table) {
    test(`serves ${path.slice(0, 30)}`, async () => {
      const answer = await client.get(`/ledger/${path}`);
      assert.equal(answer.status, 200);
      assert.match(answer.headers['content-type'] ?? '', type);
      assert.match(answer.headers['cache-control'] ?? '', cache);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    });
  }

  test('an event that no batch brought here yet is pending where it was written, and where a peer knows it', async () => {
    const asked: string[] = [];
    const knowing = {
      ...peer,
      receipt: (eventId: string) => {
        asked.push(eventId);
        return Promise.resolve({ state: eventId.startsWith('B') ? 'known' : 'unknown' } as const);
      },
    };
    const other = await openGateway({ parts: { peers: [knowing] } });
    const url = await other.listen();
    const own = await supertest(url).get('/fhir/ehr/Patient');
    const event = own.headers['concordat-event'] ?? '';
    const answers = await Promise.all(
      [event, 'B'.repeat(22), 'C'.repeat(22), 'short'].map((id) => supertest(url).get(`/ledger/receipt/${id}`)),
    );
    const toMember = await supertest(url).get(`/ledger/receipt/${'B'.repeat(22)}?own`);
    const client = createPeerClient({ member: 'm', url: `${url}/ledger` });
    const known = [await client.receipt?.(event), await client.receipt?.('C'.repeat(22))];
    await other.close();
    assert.deepEqual(
      answers.map(({ status }) => status),
      [202, 202, 404, 404],
    );
    assert.equal(answers[0]?.headers['retry-after'], '1');
    assert.equal(toMember.status, 404);
    assert.deepEqual(asked.sort(), ['B'.repeat(22), 'C'.repeat(22)]);
    assert.deepEqual(known, [{ state: 'known' }, { state: 'unknown' }]);
  });

  test('a relayed batch that may or may not have been appended is neither a yes nor a no', async () => {
    assert.equal(await peer.relay?.(Uint8Array.of(1)), true);
    assert.equal(await peer.relay?.(Uint8Array.of(0)), false);
    await assert.rejects(peer.relay?.(Uint8Array.of(2)) ?? Promise.resolve(), { code: 'refused' });
  });

  test('an event that the own replica cannot find is proved by a receipt of a peer’s, if that holds and is of this event', async () => {
    const log = new SmallLog();
    const events = [exampleEvent('a'), exampleEvent('b')];
    const receipt = encodeUtf8(log.receipt(log.appendBatch('hospital', events), events, 1));
    const id = (i: number) => parseEvent(events[i] as Uint8Array).id;
    const forged = receipt.with(receipt.length - 30, (receipt[receipt.length - 30] as number) ^ 1);
    for (const [given, event, status] of [
      [receipt, id(1), 200],
      [receipt, id(0), 202],
      [forged, id(1), 202],
    ] as const) {
      const knowing = { ...peer, receipt: () => Promise.resolve({ state: 'final', receipt: given } as const) };
      const view = { ...emptyLedgerView(), genesisBytes: () => log.genesis };
      const other = await openGateway({ parts: { peers: [knowing], ledger: view } });
      const answer = await supertest(await other.listen()).get(`/ledger/receipt/${event}`);
      await other.close();
      assert.equal(answer.status, status);
      if (status === 200) assert.equal(answer.text, Buffer.from(receipt).toString());
    }
  });

  test('a flood of questions for unknown events does not become one at every member', async () => {
    let asked = 0;
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    const slow = {
      ...peer,
      receipt: async () => {
        asked++;
        await answered;
        return { state: 'unknown' } as const;
      },
    };
    const other = await openGateway({ parts: { peers: [slow] } });
    const url = await other.listen();
    const replies = Array.from({ length: 40 }, (_, i) =>
      fetch(`${url}/ledger/receipt/${String(i).padStart(21, 'x')}A`).then((reply) => {
        if (reply.status === 429) answer();
        return reply;
      }),
    );
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    assert.equal((await fetch(`${url}/ledger/receipt/${'y'.repeat(21)}A`)).status, 404);
    await other.close();
    assert.deepEqual([...new Set(statuses)].sort(), [404, 429]);
    assert.equal(asked, statuses.filter((status) => status === 404).length + 1);
  });

  test('a receipt whose batch is no longer kept: had from a member, else 410 with whom to ask', async () => {
    assert.equal((await client.get('/ledger/receipt/pruned-healed')).status, 200);
    const nobody = await client.get('/ledger/receipt/pruned');
    const { issue } = nobody.body as OperationOutcome;
    assert.deepEqual([nobody.status, nobody.type, issue[0]?.code], [410, 'application/fhir+json', 'deleted']);
    assert.match(issue[0]?.details?.text ?? '', /clinics/);
    assert.equal(nobody.headers['retry-after'], undefined);
    const partly = await client.get('/ledger/receipt/pruned-partly');
    assert.match((partly.body as OperationOutcome).issue[0]?.details?.text ?? '', /payer, lab/);
    assert.ok(Number(partly.headers['retry-after']) > 0);
    const many = await client.get('/ledger/receipt/pruned-many');
    assert.deepEqual([many.status, (many.body as OperationOutcome).issue[0]?.code], [429, 'throttled']);
    // A member that asks is answered from here alone, and learns that the event is known.
    assert.equal((await client.get('/ledger/receipt/pruned-healed?own')).status, 410);
    assert.deepEqual(await peer.receipt?.('pruned'), { state: 'known' });
    assert.equal((await peer.receipt?.('final'))?.state, 'final');
  });

  test('a receipt waits until it is final', async () => {
    const pending = await client.get('/ledger/receipt/pending');
    assert.equal(pending.status, 202);
    assert.ok(Number(pending.headers['retry-after']) > 0);
    assert.equal((await client.get('/ledger/receipt/none')).status, 404);
  });

  test('only canonical tile paths name a tile', async () => {
    for (const path of [
      'tile/0/1',
      'tile/0/x000/001',
      'tile/64/000',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/x/000',
      'tile/0/000/',
      'blob/zz',
    ]) {
      assert.equal((await client.get(`/ledger/${path}`)).status, 404, path);
    }
  });

  test('a peer gets what is here, undefined for what is not, and an error for what it cannot believe', async () => {
    assert.deepEqual(Buffer.from((await peer.checkpoint()) ?? []), Buffer.from('origin\n7\nroot\n'));
    assert.deepEqual(Buffer.from((await peer.blob(hash)) ?? []), Buffer.from(blob));
    assert.equal(await peer.blob(new Uint8Array(32)), undefined);
    assert.deepEqual(Buffer.from((await peer.tile(0, 1234067, 8)) ?? []), Buffer.from('tile'));
    assert.deepEqual(Buffer.from((await peer.entryBundle(0)) ?? []), Buffer.from('entries'));
    assert.deepEqual(await peer.head('w-1'), { writer: 'w-1', batch: 4 });
    assert.equal(await peer.head('w-2'), undefined);
    const nobody = createPeerClient({ member: 'x', url: 'http://127.0.0.1:9/ledger' });
    await assert.rejects(nobody.checkpoint(), (error) => error instanceof PeerError && error.code === 'unreachable');
  });

  test('add-checkpoint speaks the witness protocol in both directions', async () => {
    const body = bytes('old 0\n\nnote');
    assert.deepEqual(await peer.addCheckpoint(body), result);
    assert.deepEqual(Buffer.from(bodies.at(-1) ?? []), Buffer.from(body));
    for (const answer of [
      { status: 409, size: 12 },
      { status: 409, size: undefined },
      { status: 403 },
      { status: 404 },
      { status: 422 },
      { status: 503 },
    ] as const) {
      result = answer;
      assert.deepEqual(await peer.addCheckpoint(body), answer);
      const { headers } = await client.post('/ledger/add-checkpoint').send('old 0');
      const isSize = answer.status === 409 && answer.size !== undefined;
      assert.equal(headers['content-type'], isSize ? 'text/x.tlog.size' : undefined);
    }
    const large = await client.post('/ledger/add-checkpoint').send('x'.repeat(70_000));
    assert.equal(large.status, 413);
  });
});
