import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { createWitnessClient } from '../../src/gateway/witness-client.ts';
import { formatCheckpoint, parseSignedCheckpoint } from '../../src/ledger/checkpoint.ts';
import type { WitnessClient } from '../../src/ledger/peer.ts';
import { MemoryTopic } from '../../src/ledger/memory-topic.ts';
import { EMPTY_ROOT } from '../../src/ledger/merkle/tree-hash.ts';
import { encodeBase64 } from '../../src/ledger/encoding.ts';
import { parseSignerKey, parseVerifierKey } from '../../src/ledger/note-key.ts';
import { formatNote, signText, verifyNote } from '../../src/ledger/note.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import { builtTool, installedTool } from '../support/go-tool.ts';
import { openGateway } from '../support/gateway.ts';
import { SoloLog } from './solo-log.ts';

/** The last version of Filippo Valsorda's witness that builds with Go 1.26. */
const LITEWITNESS = 'filippo.io/torchwood/cmd/litewitness@v0.9.0';
const WITNESS_NAME = 'witness.example/lite';

const [litewitness, feeder] = await Promise.all([
  installedTool({ module: LITEWITNESS }),
  builtTool(join(import.meta.dirname, 'feeder-go')),
]);
const noAgent = ['ssh-agent', 'ssh-add', 'ssh-keygen'].filter((tool) => spawnSync('which', [tool]).status !== 0);

function skipOf(...missing: readonly (string | undefined)[]): string | false {
  return missing.find((reason) => reason !== undefined) ?? false;
}

/** A witness that runs as its operator would run it: its key in an ssh-agent, its memory in a database. */
class LiteWitness {
  readonly folder = mkdtempSync(join(tmpdir(), 'concordat-witness-'));
  readonly #program: string;
  #agent: ChildProcess | undefined;
  #process: ChildProcess | undefined;
  #port = 0;
  #fingerprint = '';
  verifierKey = '';

  constructor(program: string) {
    this.#program = program;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get client(): WitnessClient {
    return createWitnessClient({ name: WITNESS_NAME, url: `${this.url}/`, verifierKey: this.verifierKey });
  }

  async openAgent(): Promise<void> {
    const [key, socket] = [join(this.folder, 'key'), join(this.folder, 's')];
    assert.equal(spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]).status, 0);
    this.#agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    const add = () =>
      spawnSync('ssh-add', ['-q', key], { env: { ...process.env, SSH_AUTH_SOCK: socket } }).status === 0;
    for (let tries = 0; !add(); tries++) {
      assert.ok(tries < 100, 'the agent takes no key');
      await wait(20);
    }
    this.#fingerprint = spawnSync('ssh-keygen', ['-l', '-f', key], { encoding: 'utf8' }).stdout.split(' ')[1] ?? '';
    this.#port = await freePort();
  }

  async start(): Promise<void> {
    const args = ['-name', WITNESS_NAME, '-db', this.#database, '-key', this.#fingerprint, '-obscurity'];
    args.push('-ssh-agent', join(this.folder, 's'), '-listen', `127.0.0.1:${this.#port}`);
    this.#process = spawn(this.#program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    this.#process.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    for (let tries = 0; !said.includes('listening'); tries++) {
      assert.ok(tries < 200 && this.#process.exitCode === null, said);
      await wait(20);
    }
    this.verifierKey = /vkey=(\S+)/.exec(said)?.[1] ?? '';
    await this.#answers();
  }

  async stop(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null) return;
    process.kill('SIGINT');
    await once(process, 'exit');
  }

  /** What `witnessctl add-log` and `add-key` do. */
  know(origin: string, keys: readonly string[]): void {
    const database = new DatabaseSync(this.#database, { timeout: 5000 });
    database.prepare('INSERT INTO log VALUES (?, 0, ?)').run(origin, encodeBase64(EMPTY_ROOT));
    for (const key of keys) database.prepare('INSERT INTO key VALUES (?, ?)').run(origin, key);
    database.close();
  }

  /** The size that it remembers. */
  size(origin: string): number {
    const database = new DatabaseSync(this.#database, { readOnly: true, timeout: 5000 });
    const row = database.prepare('SELECT tree_size FROM log WHERE origin = ?').get(origin);
    database.close();
    return Number(row?.['tree_size']);
  }

  async close(): Promise<void> {
    await this.stop();
    this.#agent?.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #database(): string {
    return join(this.folder, 'witness.db');
  }

  async #answers(): Promise<void> {
    for (let tries = 0; tries < 100; tries++) {
      if (await fetch(this.url).catch(() => undefined)) return;
      await wait(20);
    }
    assert.fail('the witness does not listen');
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function grow(log: SoloLog): Promise<number> {
  for (let i = 0; i < 3; i++) await log.addBatch(2);
  await log.finalise();
  return log.engine.finality.size;
}

/** Lines by this key under the checkpoint that a member serves. */
function cosignatures(view: LedgerView, verifierKey: string): number {
  return verifyNote(parseSignedCheckpoint(view.checkpoint() ?? new Uint8Array()).note, [parseVerifierKey(verifierKey)])
    .length;
}

function feed(args: Record<string, string>): Promise<string> {
  const program = 'path' in feeder ? feeder.path : '';
  const child = spawn(
    program,
    Object.entries(args).flatMap(([name, value]) => [`-${name}`, value]),
  );
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return once(child, 'exit').then(() => said.trim());
}

const noWitness = 'missing' in litewitness ? `litewitness: ${litewitness.missing}` : undefined;
const noFeeder = 'missing' in feeder ? `the witness project’s client: ${feeder.missing}` : undefined;
const noKeys = noAgent.length > 0 ? `not on this machine: ${noAgent.join(', ')}` : undefined;

describe('litewitness, an outside witness by others', { skip: skipOf(noWitness, noKeys) }, () => {
  const witness = new LiteWitness('path' in litewitness ? litewitness.path : '');
  const witnesses: WitnessClient[] = [];
  const log = new SoloLog({ witnesses });
  const { origin } = log.consortium;

  before(async () => {
    await witness.openAgent();
    await witness.start();
    witnesses.push(witness.client);
    witness.know(origin, [log.view.originKey ?? '']);
    await log.start();
  });
  after(() => witness.close());

  test('cosigns what is submitted, as the log grows, and a member serves its line', async () => {
    for (let round = 0; round < 3; round++) {
      const size = await grow(log);
      assert.equal(cosignatures(log.view, witness.verifierKey), 0);
      await log.engine.peerStep();
      assert.equal(cosignatures(log.view, witness.verifierKey), 1);
      assert.equal(witness.size(origin), size);
    }
    assert.deepEqual(log.engine.exchange.unreachable(), []);
  });

  test('while it is down the log goes on; once it is back, it cosigns the newest tree', async () => {
    await witness.stop();
    const missed = await grow(log);
    await log.engine.peerStep();
    assert.equal(log.engine.finality.size, missed);
    assert.equal(cosignatures(log.view, witness.verifierKey), 0);
    await witness.start();
    const size = await grow(log);
    await log.engine.peerStep();
    assert.equal(cosignatures(log.view, witness.verifierKey), 1);
    assert.equal(witness.size(origin), size);
  });

  test('a member that starts anew learns from its 409 what it has, whether the tree has grown since or not', async () => {
    for (const grown of [false, true]) {
      if (grown) await grow(log);
      const restarted = new SoloLog({
        storage: log.storage,
        topic: new MemoryTopic(log.broker),
        witnesses,
      });
      await restarted.start();
      assert.equal(restarted.engine.finality.size, log.engine.finality.size);
      assert.equal(cosignatures(restarted.view, witness.verifierKey), 0);
      await restarted.engine.peerStep();
      assert.equal(cosignatures(restarted.view, witness.verifierKey), 1);
      assert.equal(witness.size(origin), log.engine.finality.size);
    }
  });

  test('a client by others feeds it from what a member serves', { skip: skipOf(noFeeder) }, async () => {
    const size = await grow(log);
    const gateway = await openGateway({ upstreams: [], urls: {}, parts: { ledger: log.view } });
    const said = await feed({
      log: `${await gateway.listen()}/ledger`,
      origin,
      'log-key': log.view.originKey ?? '',
      witness: witness.url,
      'witness-key': witness.verifierKey,
    });
    await gateway.close();
    assert.match(said, new RegExp(`^stale: \\d+\ncosigned: ${size}$`));
    assert.equal(witness.size(origin), size);
  });

  test('it does not know another log, nor a checkpoint by another key: no line is served', async () => {
    const stranger = new SoloLog({ witnesses, origin: 'ledger.example/stranger' });
    await stranger.start();
    await grow(stranger);
    await stranger.engine.peerStep();
    assert.equal(cosignatures(stranger.view, witness.verifierKey), 0);
    witness.know('ledger.example/stranger', [log.view.originKey ?? '']);
    await stranger.engine.peerStep();
    assert.equal(cosignatures(stranger.view, witness.verifierKey), 0);
  });
});

describe('add-checkpoint of a member, asked by a client by others', { skip: skipOf(noFeeder) }, () => {
  const log = new SoloLog();
  let gateway: Awaited<ReturnType<typeof openGateway>>;
  let served = new Uint8Array();
  let args: Record<string, string>;

  before(async () => {
    await log.start();
    await grow(log);
    const ledger: LedgerView = Object.assign(Object.create(log.view) as LedgerView, {
      checkpoint: () => served,
      tile: (level: number, index: number, width?: number) => log.view.tile(level, index, width),
      addCheckpoint: (body: Uint8Array) => log.view.addCheckpoint(body),
    });
    gateway = await openGateway({ upstreams: [], urls: {}, parts: { ledger } });
    const url = `${await gateway.listen()}/ledger`;
    args = { log: url, witness: url, origin: log.consortium.origin, 'log-key': log.view.originKey ?? '' };
    args['witness-key'] = log.view.members()[0]?.cosignerKey ?? '';
  });
  after(() => gateway.close());

  function signed(size: number, root: Uint8Array): Uint8Array<ArrayBuffer> {
    const text = formatCheckpoint({ origin: log.consortium.origin, size, root });
    const note = formatNote(text, [signText(text, parseSignerKey(log.consortium.members[0]?.keys.origin ?? ''))]);
    return Uint8Array.from(note);
  }

  test('one that knows nothing yet is told the size, and gets the cosignature', async () => {
    served = Uint8Array.from(log.view.checkpoint() ?? []);
    const { size } = parseSignedCheckpoint(served).checkpoint;
    assert.equal(await feed(args), `stale: ${size}\ncosigned: ${size}`);
    assert.equal(await feed({ ...args, from: String(size) }), `cosigned: ${size}`);
  });

  test('a tree that has grown is cosigned with the proof that Tessera builds from the tiles', async () => {
    const from = log.engine.finality.size;
    for (let i = 0; i < 300; i++) await log.addBatch(1);
    log.nowMs += 40_000;
    await log.engine.cutStep();
    await log.engine.readStep(0);
    const size = log.engine.replica.head.lastCut + 1;
    served = signed(size, log.engine.replica.tree.root(size));
    assert.equal(await feed({ ...args, from: String(from) }), `cosigned: ${size}`);
    assert.equal(log.engine.finality.size, size);
  });

  test('another root of that size is a conflict; of a larger one the proof does not hold', async () => {
    const { size } = log.engine.finality;
    served = signed(size, new Uint8Array(32).fill(1));
    assert.equal(await feed({ ...args, from: String(size) }), 'failed: update: roots do not match');
    await grow(log);
    served = signed(log.engine.finality.size + 1, new Uint8Array(32).fill(1));
    assert.match(await feed({ ...args, from: String(size) }), /failed: (proof|update)/);
  });
});
