import { cosign } from '../../../src/ledger/cosignature.ts';
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { encodeFrame, parseFrame } from '../../../src/ledger/frame.ts';
import { buildHistory } from '../../../src/ledger/governance-history.ts';
import { buildInclusionProof } from '../../../src/ledger/merkle/proof.ts';
import { leafHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import { formatNote, signNote, signText } from '../../../src/ledger/note.ts';
import { buildPolicy, formatPolicy } from '../../../src/ledger/policy.ts';
import { formatReceipt, parseReceipt } from '../../../src/ledger/receipt.ts';
import type { Receipt } from '../../../src/ledger/receipt.ts';
import { Consortium, rotation } from './consortium.ts';
import { hostileHistoryCases } from './hostile-history-cases.ts';
import { hostileReceiptCases } from './hostile-receipt-cases.ts';
import { exampleEvent, memberOf, signingMember, SmallLog } from './small-log.ts';
import { nodeReader } from './trees.ts';

/** One receipt with what it is checked against, as every verifier gets it: Node, a browser, and the one in Go. */
export interface ReceiptCase {
  readonly name: string;
  /** Base64, as are genesis and history. */
  readonly receipt: string;
  readonly genesis?: string;
  readonly policy?: string;
  readonly history?: string;
  /** The author that it proves, or the code by which it is refused. */
  readonly expected: { readonly author: string } | { readonly code: string };
}

const events = [exampleEvent('a'), exampleEvent('b'), exampleEvent('c')];

/** Every way in which a receipt holds, and every rule that one may break. */
export function receiptCases(): ReceiptCase[] {
  return [
    ...plainCases(),
    ...brokenCases(),
    ...headerCases(),
    ...authorCases(),
    ...historyCases(),
    ...hostileHistoryCases(),
    ...hostileReceiptCases(),
  ];
}

/** A log with one batch of three events, and the receipt of the middle one. */
export function exampleReceipt(): { log: SmallLog; receipt: Uint8Array; parsed: Receipt } {
  const log = new SmallLog();
  log.appendBatch('payer', [exampleEvent('p')]);
  const batch = log.appendBatch('hospital', events);
  log.appendCut('clinics');
  log.appendBatch('clinics', [exampleEvent('q')]);
  const receipt = encodeUtf8(log.receipt(batch, events, 1));
  return { log, receipt, parsed: parseReceipt(receipt) };
}

function made(
  name: string,
  receipt: Uint8Array,
  against: { genesis?: Uint8Array; policy?: string; history?: Uint8Array },
  expected: ReceiptCase['expected'],
): ReceiptCase {
  const { genesis, policy, history } = against;
  return {
    name,
    receipt: encodeBase64(receipt),
    ...(genesis === undefined ? {} : { genesis: encodeBase64(genesis) }),
    ...(policy === undefined ? {} : { policy }),
    ...(history === undefined ? {} : { history: encodeBase64(history) }),
    expected,
  };
}

function policyOf(log: SmallLog): string {
  return formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: 3 }));
}

function plainCases(): ReceiptCase[] {
  const { log, receipt } = exampleReceipt();
  const { genesis } = log;
  const policy = policyOf(log);
  const withStranger = encodeUtf8(`${decodeUtf8(receipt)}— witness.example/\u007f AAAAAQECAwQ=\n`);
  const cases = [
    made('by the genesis', receipt, { genesis }, { author: 'hospital' }),
    made('by a policy alone', receipt, { policy }, { author: 'not checked' }),
    made('with a line by a stranger', withStranger, { genesis }, { author: 'hospital' }),
    made('by both', receipt, { genesis, policy }, { author: 'hospital' }),
  ];
  const own = new SmallLog();
  for (let count = 1; count <= 9; count += 2) {
    const many = Array.from({ length: count }, (_, i) => exampleEvent(`${count} ${i}`));
    const sealed = own.appendBatch('payer', many);
    for (let position = 0; position < count; position++) {
      const text = encodeUtf8(own.receipt(sealed, many, position));
      cases.push(made(`event ${position} of ${count}`, text, { genesis: own.genesis }, { author: 'payer' }));
    }
  }
  return cases;
}

function brokenCases(): ReceiptCase[] {
  const { log, receipt, parsed } = exampleReceipt();
  const { genesis } = log;
  const { extra } = parsed;
  const stranger = new SmallLog(['other-1', 'other-2', 'other-3']);
  const refused = (name: string, code: string, change: Partial<Receipt>): ReceiptCase =>
    made(name, encodeUtf8(formatReceipt({ ...parsed, ...change })), { genesis }, { code });
  return [
    refused('another event', 'event-mismatch', { extra: { ...extra, event: exampleEvent('z') } }),
    refused('an event that is none', 'malformed-receipt', { extra: { ...extra, event: encodeUtf8('{"v":1}') } }),
    refused('another position', 'event-mismatch', { extra: { ...extra, position: 2 } }),
    refused('a position beyond the batch', 'event-mismatch', { extra: { ...extra, position: 3 } }),
    refused('an event path that is too short', 'event-mismatch', { extra: { ...extra, path: extra.path.slice(1) } }),
    refused('a leaf path that is too short', 'proof-length', { path: parsed.path.slice(1) }),
    refused('a leaf path that is too long', 'proof-length', { path: [...parsed.path, new Uint8Array(32)] }),
    refused('an index beyond the tree', 'index-range', { index: 5 }),
    refused('one cosigner', 'no-quorum', { checkpoint: log.checkpoint(5, ['hospital']) }),
    refused('two cosigners of three', 'no-quorum', { checkpoint: log.checkpoint(5, ['hospital', 'payer']) }),
    refused('another tree', 'root-mismatch', { checkpoint: signedOver(log, new Uint8Array(32).fill(7)) }),
    refused('a checkpoint with an extension line', 'malformed-receipt', { checkpoint: extended(log) }),
    refused('a line with a known name and another ID', 'bad-signature', {
      checkpoint: withLine(log, `${log.origin} AAAAAQECAwQ=`),
    }),
    refused('a signature with trailing bits', 'malformed-receipt', { checkpoint: withTrailingBits(log) }),
    made('a log that nobody knows', receipt, { genesis: stranger.genesis }, { code: 'unknown-log' }),
    made('a file that is no receipt', encodeUtf8('hello'), { genesis }, { code: 'malformed-receipt' }),
  ];
}

/** A checkpoint with a fourth line, signed and cosigned by all. */
function extended(log: SmallLog): Uint8Array {
  const text = `${decodeUtf8(log.checkpoint()).split('\n').slice(0, 3).join('\n')}\nmore\n`;
  return formatNote(text, [
    ...log.members.map(({ origin }) => signText(text, origin)),
    ...log.members.map(({ cosigner }) => cosign(text, cosigner, 1_790_000_000)),
  ]);
}

/** The last signature's base64 with bits set that it does not use. */
function withTrailingBits(log: SmallLog): Uint8Array {
  const text = decodeUtf8(log.checkpoint());
  const changed = text.replace(
    /([AQgw])==\n$/,
    (_, last: string) => `${String.fromCharCode(last.charCodeAt(0) + 1)}==\n`,
  );
  if (changed === text) throw new Error('a signature of 76 bytes ends in two padding characters');
  return encodeUtf8(changed);
}

function withLine(log: SmallLog, line: string): Uint8Array {
  return encodeUtf8(`${decodeUtf8(log.checkpoint())}— ${line}\n`);
}

/** A checkpoint of the log's size, signed by all, over a root that is not its own. */
function signedOver(log: SmallLog, root: Uint8Array): Uint8Array {
  const liar = new SmallLog(['clinics', 'hospital', 'payer']);
  Object.defineProperty(liar, 'root', { value: () => root });
  return liar.checkpoint(log.size);
}

/** Headers that stand in the tree and are signed by their member, but are not of their form. */
function headerCases(): ReceiptCase[] {
  const hash = encodeBase64(new Uint8Array(32));
  const lines = { batch: '1', prev: hash, first: '0', count: '3', bytes: '500', body: hash };
  const changes: readonly (readonly [string, Partial<Record<keyof typeof lines | 'writer', string>>])[] = [
    ['number 0', { batch: '0' }],
    ['a number with a leading zero', { batch: '01' }],
    ['a previous hash that is too short', { prev: 'AAAA' }],
    ['a first event below 0', { first: '-1' }],
    ['257 events', { count: '257' }],
    ['no bytes', { bytes: '0' }],
    ['a body’s hash without padding', { body: hash.slice(0, -1) }],
    ['a writer’s name in capitals', { writer: 'Hospital' }],
  ];
  return changes.map(([name, change]) => {
    const log = new SmallLog();
    const {
      batch,
      prev,
      first,
      count,
      bytes,
      body,
      writer = 'hospital-1',
    } = { ...lines, ...change } as typeof lines & {
      writer?: string;
    };
    const inBatch = events.map((event) => leafHash(event));
    const text = `concordat/batch/v1\nlog ${log.origin}\nmember hospital\nwriter ${writer}\nbatch ${batch}\nprev ${prev}\nfirst ${first}\ncount ${count}\nroot ${encodeBase64(treeRoot(inBatch))}\nbytes ${bytes}\nbody ${body}\n`;
    const header = signNote(text, [log.member('hospital').batch]);
    const index = log.append(encodeFrame({ kind: 'batch', header, body: new Uint8Array() }));
    const checkpoint = log.checkpoint();
    const path = buildInclusionProof(index, log.size, nodeReader(log.leafHashes));
    const extra = {
      event: events[0] as Uint8Array,
      header,
      path: buildInclusionProof(0, 3, nodeReader(inBatch)),
      position: 0,
    };
    const receipt = encodeUtf8(formatReceipt({ index, path, checkpoint, extra }));
    return made(`a batch with ${name}`, receipt, { genesis: log.genesis }, { code: 'malformed-receipt' });
  });
}

function authorCases(): ReceiptCase[] {
  const { log } = exampleReceipt();
  const { genesis } = log;
  const impostor = new SmallLog(['clinics', 'hospital', 'payer'], genesis);
  const at = impostor.members.findIndex(({ name }) => name === 'hospital');
  const forger = { ...impostor.member('hospital'), batch: signingMember('hospital', log.origin, 'x').batch };
  Object.assign(impostor.members, { [at]: forger });
  const forged = encodeUtf8(impostor.receipt(impostor.appendBatch('hospital', events), events, 0));
  const other = new SmallLog(['hospital']);
  const foreign = new SmallLog(['hospital']);
  Object.defineProperty(foreign, 'origin', { value: 'elsewhere' });
  const { built } = foreign.appendBatch('hospital', events);
  const misplaced = encodeUtf8(other.receipt({ built, index: other.append(built.frame) }, events, 0));
  return [
    made('a batch by a key that is not the member’s', forged, { genesis }, { code: 'bad-signature' }),
    made('the same, by a policy alone', forged, { policy: policyOf(log) }, { author: 'not checked' }),
    made('a batch of another log', misplaced, { genesis: other.genesis }, { code: 'wrong-log' }),
  ];
}

/** Receipts after a change of keys, with the history, without it, and with less than all of it. */
function historyCases(): ReceiptCase[] {
  const names = ['a', 'b', 'c'];
  const consortium = new Consortium(names);
  const before = consortium.log.appendBatch('b', events);
  const rotated = rotation('b', consortium.log.origin, 'new');
  const size = consortium.enact(rotated.change, names);
  const checkpoints = [consortium.log.checkpoint(size, names)];
  Object.assign(consortium.log.members, { 1: rotated.member });
  const renewed = consortium.log.appendBatch('b', events);
  const records = consortium.log.records.flatMap((record, index) => {
    const frame = parseFrame(record);
    return frame?.kind === 'governance' ? [{ index, header: frame.header, body: frame.body }] : [];
  });
  const readNode = nodeReader(consortium.log.leafHashes);
  const history = buildHistory({ records, checkpoints, readNode });
  const partial = buildHistory({ records: records.slice(0, -1), checkpoints, readNode });
  const { genesis } = consortium.log;
  const bare = encodeUtf8(consortium.log.receipt(renewed, events, 0));
  const carried = (from: typeof renewed): Uint8Array => {
    const parsed = parseReceipt(encodeUtf8(consortium.log.receipt(from, events, 0)));
    return encodeUtf8(formatReceipt({ ...parsed, extra: { ...parsed.extra, history } }));
  };
  return [
    made('new keys, the history within', carried(renewed), { genesis }, { author: 'b' }),
    made('old keys, before they were replaced', carried(before), { genesis }, { author: 'b' }),
    made('new keys, the history beside', bare, { genesis, history }, { author: 'b' }),
    made('new keys without a history', bare, { genesis }, { code: 'no-quorum' }),
    made('a history that lacks a vote', bare, { genesis, history: partial }, { code: 'history-broken' }),
  ];
}
