import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { encodeBase64 } from '../ledger/encoding.ts';
import type { TreeHead } from './demo-summary.ts';
import { LedgerReader } from './ledger-reader.ts';

export interface ProofArguments {
  readonly ledgerUrls: readonly string[];
  /** Events that must be final before this resolves. */
  readonly events: readonly string[];
  readonly timeoutMs: number;
}

export interface Proof {
  readonly policyText: string;
  readonly final: TreeHead;
  /** One for each ledger, in order. */
  readonly replicas: readonly TreeHead[];
}

const POLL_MS = 250;
const CLI_FILE = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** Waits until every member holds final proof of the events, then compares the members' own trees at one final checkpoint. @throws {RangeError} not in time */
export async function proveAgreement({ ledgerUrls, events, timeoutMs }: ProofArguments): Promise<Proof> {
  const readers = ledgerUrls.map((url) => new LedgerReader(url));
  const untilMs = Date.now() + timeoutMs;
  await until(untilMs, async () => {
    const receipts = await Promise.all(readers.flatMap((reader) => events.map((event) => reader.receipt(event))));
    return receipts.every((receipt) => receipt !== undefined) ? true : undefined;
  });
  const policyText = (await readers[0]?.policy()) ?? '';
  const checkpoints = await until(untilMs, async () => {
    const found = await Promise.all(readers.map((reader) => reader.finalCheckpoint(policyText)));
    return found.every((checkpoint) => checkpoint !== undefined) ? found : undefined;
  });
  // Members publish within moments of one another; the smallest is final for all of them.
  const final = checkpoints.reduce((least, checkpoint) => (checkpoint.size < least.size ? checkpoint : least));
  const replicas = await Promise.all(
    readers.map(async (reader, index): Promise<TreeHead> => {
      const root = await reader.rootAt(final.size, checkpoints[index]?.size ?? final.size);
      return { size: final.size, root: encodeBase64(root) };
    }),
  );
  return { policyText, final: { size: final.size, root: encodeBase64(final.root) }, replicas };
}

/** The receipt of a final event. @throws {RangeError} it has none */
export async function fetchReceipt(ledgerUrl: string, event: string): Promise<string> {
  const receipt = await new LedgerReader(ledgerUrl).receipt(event);
  if (receipt === undefined) throw new RangeError('the event has no receipt');
  return receipt;
}

/** Runs the stand-alone verifier on a receipt, in a process that is given two files and no address. */
export function verifyOffline(
  receiptFile: string,
  genesisFile: string,
): Promise<{ readonly held: boolean; readonly text: string }> {
  const args = ['--disable-warning=ExperimentalWarning', CLI_FILE, 'verify', receiptFile, '--genesis', genesisFile];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout, stderr) => {
      const text = `${stdout}${stderr}`.trim().split('\n').join(', ');
      resolve({ held: error === null, text });
    });
  });
}

async function until<T>(untilMs: number, look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > untilMs) throw new RangeError('the members did not agree in time');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
