import { AppError } from '../../src/errors.ts';
import { decodeBase64, decodeHex, encodeUtf8 } from '../../src/ledger/encoding.ts';
import { verifyEd25519Portable } from '../../src/ledger/ed25519.ts';
import { parseNote, verifyNotePortable } from '../../src/ledger/note.ts';
import { parseVerifierKey } from '../../src/ledger/note-key.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { verifyInclusion } from '../../src/ledger/merkle/verify.ts';
import { mutations } from '../ledger/support/mutations.ts';
import type { ReceiptCase } from '../ledger/support/receipt-cases.ts';

/** What is run twice, in Node and in a page, with nothing of Node: the outcomes must be the same text. */
export interface BrowserCases {
  readonly receipts: readonly ReceiptCase[];
  /** A receipt of which every byte is changed in one of five ways, by turns; base64. */
  readonly changed: { readonly receipt: string; readonly genesis: string };
  readonly notes: readonly { readonly vkey: string; readonly note: string }[];
  /** Hexadecimal. */
  readonly signatures: readonly { readonly key: string; readonly message: string; readonly signature: string }[];
  /** Base64. */
  readonly proofs: readonly {
    readonly index: number;
    readonly size: number;
    readonly leafHash: string;
    readonly root: string;
    readonly proof: readonly string[];
  }[];
}

/** One line for each case: `author NAME`, `true`, `false`, or the code of the error. */
export async function outcomesOf(cases: BrowserCases): Promise<Record<keyof BrowserCases, readonly string[]>> {
  const optional = (text: string | undefined) => (text === undefined ? undefined : decodeBase64(text));
  return {
    receipts: await Promise.all(
      cases.receipts.map(({ receipt, genesis, policy, history }) =>
        outcome(async () => {
          const args = { receipt: decodeBase64(receipt), policy };
          const pinned = { genesis: optional(genesis), history: optional(history) };
          return `author ${(await verifyReceipt({ ...args, ...pinned })).author}`;
        }),
      ),
    ),
    changed: await changedReceipts(decodeBase64(cases.changed.receipt), decodeBase64(cases.changed.genesis)),
    notes: await Promise.all(
      cases.notes.map(({ vkey, note }) =>
        outcome(async () => {
          const verified = await verifyNotePortable(parseNote(encodeUtf8(note)), [parseVerifierKey(vkey)]);
          return String(verified.length === 1);
        }),
      ),
    ),
    signatures: await Promise.all(
      cases.signatures.map(({ key, message, signature }) =>
        outcome(async () =>
          String(await verifyEd25519Portable(decodeHex(key), decodeHex(message), decodeHex(signature))),
        ),
      ),
    ),
    proofs: await Promise.all(
      cases.proofs.map(({ index, size, leafHash, root, proof }) =>
        outcome(() => {
          const hashes = { leafHash: decodeBase64(leafHash), root: decodeBase64(root) };
          verifyInclusion({ index, size, proof: proof.map(decodeBase64), ...hashes });
          return Promise.resolve('true');
        }),
      ),
    ),
  };
}

async function changedReceipts(receipt: Uint8Array, genesis: Uint8Array): Promise<string[]> {
  const outcomes: string[] = [];
  for (let i = 0; i < receipt.length; i++) {
    for (const [way, mutant] of [...mutations(receipt, i)].entries()) {
      if (way !== i % 5) continue;
      outcomes.push(await outcome(async () => `author ${(await verifyReceipt({ receipt: mutant, genesis })).author}`));
    }
  }
  return outcomes;
}

async function outcome(check: () => Promise<string>): Promise<string> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}
