import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DirectoryStorage } from '../../src/ledger/directory-storage.ts';
import { SoloLog } from '../ledger/solo-log.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-fsck-'));
const genesis = join(folder, 'genesis.json');

/** Stores a log with one batch; finalised or not. */
async function store(name: string, isFinal: boolean): Promise<string> {
  const data = join(folder, name);
  const storage = new DirectoryStorage(data);
  const log = new SoloLog({ storage });
  await log.start();
  await log.addBatch(2);
  if (isFinal) await log.finalise();
  else await log.engine.readStep(0);
  await log.engine.replica.flush();
  storage.close();
  writeFileSync(genesis, log.consortium.genesis);
  return data;
}

describe('concordat fsck', () => {
  const data = { begun: '', final: '' };
  before(async () => {
    data.begun = await store('begun', false);
    data.final = await store('final', true);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const fsck = (stored: string, ...more: readonly string[]) =>
    runCli(['fsck', '--data', stored, '--genesis', genesis, ...more]);

  test('ends with 0 for a whole log', async () => {
    const { code, stdout } = await fsck(data.final);
    assert.match(stdout, /^whole: [0-9]+ leaves, 2 events$/m);
    assert.equal(code, 0);
  });

  test('ends with 3 for one that has leaves and no final checkpoint yet, and calls it not damaged', async () => {
    const { code, stdout } = await fsck(data.begun);
    assert.equal(code, 3);
    assert.match(stdout, /^no final checkpoint yet; .* [1-9][0-9]* leaves$/m);
    assert.doesNotMatch(stdout, /DAMAGED/);
    const { whole, findings } = JSON.parse((await fsck(data.begun, '--json')).stdout) as {
      whole: boolean;
      findings: { fault: string }[];
    };
    assert.equal(whole, false);
    assert.deepEqual(
      findings.map(({ fault }) => fault),
      ['checkpoint'],
    );
  });

  test('ends with 1 for another genesis, whether anything is final or not', async () => {
    writeFileSync(join(folder, 'other.json'), new SoloLog({ origin: 'log.example/other' }).consortium.genesis);
    for (const stored of [data.begun, data.final])
      assert.equal((await runCli(['fsck', '--data', stored, '--genesis', join(folder, 'other.json')])).code, 1);
  });
});
