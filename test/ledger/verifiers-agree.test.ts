import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { decodeBase64, encodeBase64 } from '../../src/ledger/encoding.ts';
import { verifyNote } from '../../src/ledger/note.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { builtTool } from '../support/go-tool.ts';
import { Random } from './interleavings/random.ts';
import { receiptCases } from './support/receipt-cases.ts';
import type { ReceiptCase } from './support/receipt-cases.ts';

const verifier = await builtTool(join(import.meta.dirname, '..', '..', 'verifier-go'));
const skip = 'missing' in verifier ? `the verifier in Go: ${verifier.missing}` : false;
const RANDOM_CASES = 3000;
const SEED = 20261128;

type Files = Omit<ReceiptCase, 'name' | 'expected'>;

/** One line: what a receipt proves, or `refused`. */
function verdictsInGo(cases: readonly Files[]): string[] {
  const input = cases.map((one) => JSON.stringify(one)).join('\n');
  const program = 'path' in verifier ? verifier.path : '';
  const { stdout, stderr, status } = spawnSync(program, ['batch'], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n');
}

async function verdictOf(files: Files): Promise<string> {
  try {
    const { origin, size, index, eventBytes, author } = await verifyReceipt({
      receipt: decodeBase64(files.receipt),
      genesis: files.genesis === undefined ? undefined : decodeBase64(files.genesis),
      policy: files.policy,
      history: files.history === undefined ? undefined : decodeBase64(files.history),
      checkNote: (note, keys) => Promise.resolve(verifyNote(note, keys)),
    });
    return [origin, size, index, encodeBase64(eventBytes), author].join(' ');
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return `refused: ${error.code}`;
  }
}

const isRefused = (verdict: string): boolean => verdict.startsWith('refused');

async function assertAgreement(cases: readonly Files[], label: (i: number) => string): Promise<number> {
  const inGo = verdictsInGo(cases);
  assert.equal(inGo.length, cases.length);
  const wrong: string[] = [];
  for (const [i, files] of cases.entries()) {
    const [here, there] = [await verdictOf(files), inGo[i] ?? ''];
    const agrees = isRefused(here) ? isRefused(there) : here === there;
    if (!agrees) wrong.push(`${label(i)}: here ${here}, in Go ${there}`);
  }
  assert.deepEqual(wrong, []);
  return inGo.filter(isRefused).length;
}

/** One to three bytes changed, dropped, doubled or put in, anywhere; or, of a text, one inside its base64. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = [...bytes];
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(changed.length);
    const byte = random.chance(0.5) ? random.below(256) : (changed[at] ?? 0) ^ (1 << random.below(8));
    changed.splice(at, random.below(2), ...(random.chance(0.2) ? [] : [byte]));
  }
  return Uint8Array.from(changed);
}

/** The `extra` line of a receipt with bytes of its JSON changed: what a change of the text alone seldom reaches, because it breaks the base64. */
function mutatedWithin(receipt: Uint8Array, random: Random): Uint8Array {
  const text = new TextDecoder().decode(receipt);
  const changed = text.replace(/^extra (.*)$/m, (_whole, encoded: string) => {
    const json = new TextDecoder().decode(decodeBase64(encoded));
    const inner = json.replace(/"(event|header|history)":"([^"]*)"/, (whole, name: string, value: string) => {
      return random.chance(0.5) ? whole : `"${name}":"${encodeBase64(mutated(decodeBase64(value), random))}"`;
    });
    const bytes = new TextEncoder().encode(inner);
    return `extra ${encodeBase64(inner === json ? mutated(bytes, random) : bytes)}`;
  });
  return new TextEncoder().encode(changed);
}

describe('the verifiers in TypeScript and in Go agree', { skip }, () => {
  const cases = receiptCases();

  test('on every receipt that holds and every rule that one breaks', async () => {
    const refused = await assertAgreement(cases, (i) => cases[i]?.name ?? '');
    assert.equal(refused, cases.filter(({ expected }) => 'code' in expected).length);
  });

  test(`on ${RANDOM_CASES} receipts, genesis files, policies and histories with bytes changed (seed ${SEED})`, async () => {
    const random = new Random(SEED);
    const whole = cases.filter(({ expected }) => 'author' in expected);
    const labels: string[] = [];
    const changed = Array.from({ length: RANDOM_CASES }, () => {
      const { name, receipt, genesis, policy, history } = random.pick(whole);
      const bytes = decodeBase64(receipt);
      const files: Files = {
        receipt,
        ...(genesis === undefined ? {} : { genesis }),
        ...(policy === undefined ? {} : { policy }),
        ...(history === undefined ? {} : { history }),
      };
      const part = random.pick(['receipt', 'receipt', 'receipt', 'within', 'within', 'genesis', 'policy', 'history']);
      labels.push(`${name}, ${part}`);
      if (part === 'genesis' && genesis !== undefined)
        return { ...files, genesis: encodeBase64(mutated(decodeBase64(genesis), random)) };
      if (part === 'history' && history !== undefined)
        return { ...files, history: encodeBase64(mutated(decodeBase64(history), random)) };
      if (part === 'policy' && policy !== undefined) {
        // A policy is text: whatever is changed in it stays ASCII.
        const text = mutated(new TextEncoder().encode(policy), random).map((byte) => byte & 0x7f);
        return { ...files, policy: new TextDecoder().decode(text) };
      }
      return {
        ...files,
        receipt: encodeBase64(part === 'within' ? mutatedWithin(bytes, random) : mutated(bytes, random)),
      };
    });
    const refused = await assertAgreement(
      changed,
      (i) => `case ${i}, ${labels[i] ?? ''}: ${JSON.stringify(changed[i])}`,
    );
    assert.ok(refused > RANDOM_CASES / 2 && refused < RANDOM_CASES, `${refused} were refused`);
  });
});
