import type { Request, Response } from 'express';
import { AppError } from '../errors.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import type { PrunedReceipt, ReceiptAnswer } from '../ledger/ledger-view.ts';
import { verifyReceipt } from '../ledger/verifier.ts';
import { GatewayError } from './gateway-error.ts';
import type { GatewayParts } from './parts.ts';
import { OWN_ONLY } from './peer-client.ts';

const EVENT_ID = /^[A-Za-z0-9_-]{22}$/;
const PENDING_SECONDS = '1';
const UNREACHABLE_SECONDS = '30';
/** Anybody may ask for an event that nobody knows, and each question goes to every member: more at once than this are turned away. */
const MOST_ASKED_AT_ONCE = 16;

/**
 * `GET receipt/{event}`: 200 with the receipt, 202 while the event is on its way, 404 where nobody knows it, 410 where it is final and the body of its batch is
 * no longer to be had. What the own replica lacks is asked of other members, once each, unless it is a member that asks; nothing of theirs is believed unchecked.
 * @throws {GatewayError} not-found | body-pruned | too-many-requests
 */
export function receiptRoute(
  parts: GatewayParts,
): (request: Request<{ eventId: string }>, response: Response) => Promise<void> {
  let asked = 0;
  const ask = async (eventId: string): Promise<Known> => {
    if (asked >= MOST_ASKED_AT_ONCE) throw busy('Other members are being asked for too many events; try again.');
    asked++;
    try {
      return await askOthers(parts, eventId);
    } finally {
      asked--;
    }
  };
  return (request, response) => sendReceipt(parts, ask, request, response);
}

type Known = 'unknown' | 'pending' | { readonly text: string };

async function sendReceipt(
  parts: GatewayParts,
  ask: (eventId: string) => Promise<Known>,
  request: Request<{ eventId: string }>,
  response: Response,
): Promise<void> {
  const { ledger, compliance } = parts;
  const { eventId } = request.params;
  const isOwnOnly = OWN_ONLY in request.query;
  const answer = await localReceipt(parts, eventId, isOwnOnly);
  switch (answer.state) {
    case 'final':
      return sendText(response, answer.text);
    case 'pending':
      return sendPending(response, answer.signers, answer.members);
    case 'pruned':
      throw pruned(answer);
    case 'unknown': {
      let known: Known = 'unknown';
      if (EVENT_ID.test(eventId) && compliance.hasEvent(eventId)) known = 'pending';
      else if (EVENT_ID.test(eventId) && !isOwnOnly) known = await ask(eventId);
      if (known === 'unknown')
        throw new GatewayError('not-found', { external: 'The ledger has nothing at this address.' });
      if (known === 'pending') return sendPending(response, 0, ledger.members().length);
      return sendText(response, known.text);
    }
  }
}

async function localReceipt({ ledger }: GatewayParts, eventId: string, isOwnOnly: boolean): Promise<ReceiptAnswer> {
  const answer = ledger.receipt(eventId);
  if (answer.state !== 'pruned' || isOwnOnly || ledger.fetchReceipt === undefined) return answer;
  try {
    return await ledger.fetchReceipt(eventId);
  } catch (cause) {
    if (!(cause instanceof LedgerError) || cause.code !== 'unavailable') throw cause;
    throw busy('Too many receipts of old events are being fetched from other members; try again.', cause);
  }
}

/**
 * An event that the own replica cannot find: no batch brought it here yet, or the replica was filled by a member that no longer kept the body. It is pending where
 * a member knows it; a receipt that a member gives is passed on once it is checked against the genesis.
 */
async function askOthers({ ledger, peers = [] }: GatewayParts, eventId: string): Promise<Known> {
  const geneses = [ledger, ...ledger.past].map((log) => log.genesisBytes());
  const answers = await Promise.all(peers.map((peer) => peer.receipt?.(eventId).catch(() => undefined)));
  for (const answer of answers) {
    if (answer?.state === 'final' && (await isReceiptOf(answer.receipt, eventId, geneses)))
      return { text: Buffer.from(answer.receipt).toString('utf8') };
  }
  return answers.some((answer) => answer !== undefined && answer.state !== 'unknown') ? 'pending' : 'unknown';
}

async function isReceiptOf(receipt: Uint8Array, eventId: string, geneses: readonly Uint8Array[]): Promise<boolean> {
  for (const genesis of geneses) {
    try {
      return (await verifyReceipt({ receipt, genesis })).event.id === eventId;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return false;
}

function busy(external: string, cause?: unknown): GatewayError {
  return new GatewayError('too-many-requests', { external, headers: { 'Retry-After': PENDING_SECONDS }, cause });
}

function sendText(response: Response, text: string): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Cache-Control', 'no-cache');
  response.end(Buffer.from(text, 'utf8'));
}

function sendPending(response: Response, signers: number, members: number): void {
  response.status(202).setHeader('Retry-After', PENDING_SECONDS);
  response.json({ state: 'pending', signers, members });
}

function pruned({ author, unreachable }: PrunedReceipt): GatewayError {
  const who =
    unreachable.length === 0
      ? 'nor by any member that was asked'
      : `and these members did not answer: ${unreachable.join(', ')}`;
  return new GatewayError('body-pruned', {
    external: `The event is final, but the body of its batch is no longer kept here, ${who}. Its author is ${author}.`,
    ...(unreachable.length === 0 ? {} : { headers: { 'Retry-After': UNREACHABLE_SECONDS } }),
  });
}
