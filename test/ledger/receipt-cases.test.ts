import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AppError } from '../../src/errors.ts';
import { decodeBase64 } from '../../src/ledger/encoding.ts';
import { verifyReceipt } from '../../src/ledger/verifier.ts';
import { receiptCases } from './support/receipt-cases.ts';

describe('receipts that every verifier is given', () => {
  for (const { name, receipt, genesis, policy, history, expected } of receiptCases()) {
    test(`${name}: ${'author' in expected ? 'holds' : expected.code}`, async () => {
      const outcome = await verifyReceipt({
        receipt: decodeBase64(receipt),
        genesis: genesis === undefined ? undefined : decodeBase64(genesis),
        policy,
        history: history === undefined ? undefined : decodeBase64(history),
      }).then(
        ({ author }) => ({ author }),
        (error: unknown) => {
          if (!(error instanceof AppError)) throw error;
          return { code: error.code as string };
        },
      );
      assert.deepEqual(outcome, expected);
    });
  }
});
