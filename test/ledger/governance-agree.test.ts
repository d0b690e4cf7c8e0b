import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { encodeBase64, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { parseGenesis } from '../../src/ledger/genesis.ts';
import { verifyHistory } from '../../src/ledger/governance-history.ts';
import { latestVersion } from '../../src/ledger/governance-state.ts';
import { verifyNote } from '../../src/ledger/note.ts';
import type { CheckNote } from '../../src/ledger/note.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { builtTool } from '../support/go-tool.ts';
import { Random } from './interleavings/random.ts';
import { EVENTS, RandomGovernance } from './support/random-governance.ts';
import type { JudgedAct } from './support/random-governance.ts';

const verifier = await builtTool(join(import.meta.dirname, '..', '..', 'verifier-go'));
const skip = 'missing' in verifier ? `the verifier in Go: ${verifier.missing}` : false;
const RUNS = 60;
/** Of each log, as they are and changed. */
const HISTORIES = 8;
const SEED = 20261129;

interface Files {
  readonly receipt: Uint8Array;
  readonly genesis: Uint8Array;
  readonly history: Uint8Array;
}

const synchronously: CheckNote = (note, keys) => Promise.resolve(verifyNote(note, keys));

async function verdictOf(files: Files): Promise<string> {
  try {
    const { origin, size, index, eventBytes, author } = await verifyReceipt({ ...files, checkNote: synchronously });
    return [origin, size, index, encodeBase64(eventBytes), author].join(' ');
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `refused: ${error.code}: ${error.message}`;
  }
}

function verdictsInGo(cases: readonly Files[]): string[] {
  const line = ({ receipt, genesis, history }: Files) =>
    JSON.stringify({ receipt: encodeBase64(receipt), genesis: encodeBase64(genesis), history: encodeBase64(history) });
  const program = 'path' in verifier ? verifier.path : '';
  const input = cases.map(line).join('\n');
  const { stdout, stderr, status } = spawnSync(program, ['batch'], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n');
}

/** The history as it is, without a record, or with one that members refused for what it says rather than for who said it. */
function historyOf(governance: RandomGovernance, random: Random): Uint8Array {
  const { records } = governance;
  const isAccepted = ({ verdict }: JudgedAct): boolean => verdict === 'accepted';
  const refused = records.filter(({ verdict }) => ['conflict', 'duplicate', 'bad-signature'].includes(verdict));
  const changed = random.pick(random.chance(0.7) ? refused : records);
  if (changed === undefined || random.chance(0.3)) return governance.history();
  return governance.history(records.filter((each) => isAccepted(each) !== (each === changed)));
}

describe('governance without plan', () => {
  const random = new Random(SEED);
  const logs = Array.from({ length: RUNS }, () => {
    const governance = new RandomGovernance(random, 2 + random.below(5));
    governance.run(20 + random.below(60));
    return governance;
  });

  test(`leaves whoever has the genesis and the history where the members are (seed ${SEED})`, async () => {
    let changed = 0;
    for (const governance of logs) {
      const { log, state } = governance.consortium;
      const history = governance.history();
      const { versions } = await verifyHistory({
        history,
        genesis: parseGenesis(log.genesis),
        checkNote: synchronously,
      });
      assert.deepEqual(versions, state.versions);
      changed += versions.length - 1;
    }
    assert.ok(changed > RUNS / 2, `${changed} changes came into force`);
  });

  test('is followed alike in TypeScript and in Go', { skip }, async () => {
    const cases = logs.flatMap((governance) => {
      const { log, state } = governance.consortium;
      const active = latestVersion(state).members.filter(({ active: isActive }) => isActive);
      const signers = random.chance(0.7) ? active : active.filter(() => random.chance(0.7));
      const checkpoint = governance.checkpoint(signers);
      return Array.from({ length: HISTORIES }, () => {
        const receipt = encodeUtf8(log.receipt(random.pick(governance.batches), EVENTS, 0, checkpoint));
        return { receipt, genesis: log.genesis, history: historyOf(governance, random) };
      });
    });
    const inGo = verdictsInGo(cases);
    const wrong: string[] = [];
    let refused = 0;
    for (const [i, files] of cases.entries()) {
      const [here, there] = [await verdictOf(files), inGo[i] ?? ''];
      const isRefused = here.startsWith('refused');
      if (isRefused) refused++;
      if (isRefused ? !there.startsWith('refused') : here !== there) wrong.push(`${i}: here ${here}, in Go ${there}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(refused > cases.length / 10 && refused < (cases.length * 9) / 10, `${refused} of ${cases.length}`);
  });
});
