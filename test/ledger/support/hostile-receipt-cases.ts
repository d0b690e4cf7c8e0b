import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { encodeFrame } from '../../../src/ledger/frame.ts';
import { canonicalJsonBytes } from '../../../src/ledger/canonical-json.ts';
import type { LedgerJson } from '../../../src/ledger/canonical-json.ts';
import { headerLeafBytes } from '../../../src/ledger/leaf.ts';
import { sha256 } from '../../../src/hash.ts';
import { buildInclusionProof, planInclusionProof } from '../../../src/ledger/merkle/proof.ts';
import { leafHash } from '../../../src/ledger/merkle/tree-hash.ts';
import { rootFromInclusion } from '../../../src/ledger/merkle/verify.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import { buildPolicy, formatPolicy } from '../../../src/ledger/policy.ts';
import { formatReceipt, parseReceipt } from '../../../src/ledger/receipt.ts';
import { COSIGNER_KEY, PLAIN_KEY } from '../../../src/ledger/note-key.ts';
import { rotation } from './consortium.ts';
import { changeJson } from '../../../src/ledger/governance-change.ts';
import { RawGovernance } from './raw-governance.ts';
import type { ReceiptCase } from './receipt-cases.ts';
import { exampleEvent, exampleGenesis, memberOf, ORIGIN, signerOf, SmallLog } from './small-log.ts';
import { nodeReader } from './trees.ts';

const names = ['a', 'b', 'c'];
const events = [exampleEvent('a')];
const TIME_SECONDS = 1_790_000_000;
const OUTSIDE = signerOf('witness.example', COSIGNER_KEY, 'outside witness');

/** Receipts at the limits of what a verifier takes, and just beyond them; policies and genesis files too. */
export function hostileReceiptCases(): ReceiptCase[] {
  return [
    ...lineCases(),
    ...timeCases(),
    ...mixedCases(),
    ...policyCases(),
    ...genesisCases(),
    ...sizeCases(),
    ...jsonCases(),
  ];
}

interface Example {
  readonly log: SmallLog;
  readonly checkpoint: Uint8Array;
  readonly policy: string;
  receipt(checkpoint?: Uint8Array): Uint8Array;
}

function example(): Example {
  const log = new SmallLog(names);
  const batch = log.appendBatch('a', events);
  return {
    log,
    checkpoint: log.checkpoint(),
    policy: formatPolicy(buildPolicy({ members: log.members.map(memberOf), quorum: 3 })),
    receipt: (checkpoint = log.checkpoint()) => encodeUtf8(log.receipt(batch, events, 0, checkpoint)),
  };
}

function caseOf(
  name: string,
  expected: string,
  files: { receipt: Uint8Array; genesis?: Uint8Array; policy?: string; history?: Uint8Array },
): ReceiptCase {
  const { receipt, genesis, policy, history } = files;
  const holds = ['a', 'b', 'not checked'].includes(expected);
  return {
    name,
    receipt: encodeBase64(receipt),
    ...(genesis !== undefined && { genesis: encodeBase64(genesis) }),
    ...(policy !== undefined && { policy }),
    ...(history !== undefined && { history: encodeBase64(history) }),
    expected: holds ? { author: expected } : { code: expected },
  };
}

function lineCases(): ReceiptCase[] {
  const { log, checkpoint, receipt } = example();
  const genesis = log.genesis;
  const withLines = (...lines: readonly string[]) =>
    receipt(encodeUtf8(decodeUtf8(checkpoint) + lines.map((line) => `— ${line}\n`).join('')));
  const stranger = 'stranger AAAAAQECAwQ=';
  const own =
    decodeUtf8(checkpoint)
      .split('\n')
      .filter((line) => line.startsWith('— a/cosigner '))[0]
      ?.slice(2) ?? '';
  const wrong = own.replace(/.{8}==$/, 'AAAAAAAA==').replace(/.==$/, 'A==');
  const long = `${'n'.repeat(256)} AAAAAQECAwQ=`;
  const large = `stranger ${encodeBase64(new Uint8Array(800_000))}`;
  const first = receipt(encodeUtf8(decodeUtf8(checkpoint).replace('\n\n', `\n\n— ${wrong}\n`)));
  return [
    caseOf('100 signature lines', 'a', { receipt: withLines(...Array<string>(94).fill(stranger)), genesis }),
    caseOf('101 signature lines', 'malformed-receipt', {
      receipt: withLines(...Array<string>(95).fill(stranger)),
      genesis,
    }),
    caseOf('a line by a name of 256 bytes', 'malformed-receipt', { receipt: withLines(long), genesis }),
    caseOf('a checkpoint of more than a mebibyte', 'malformed-receipt', { receipt: withLines(large), genesis }),
    caseOf('a line by a known key again', 'a', { receipt: withLines(own), genesis }),
    caseOf('a wrong line by a known key after a right one', 'a', { receipt: withLines(wrong), genesis }),
    caseOf('a wrong line by a known key before a right one', 'bad-signature', { receipt: first, genesis }),
  ];
}

/** Cosignatures that are right, but for their time. */
function timeCases(): ReceiptCase[] {
  const { log, receipt } = example();
  const at = (time: bigint): Uint8Array => {
    const text = formatCheckpoint({ origin: log.origin, size: log.size, root: log.root() });
    const { cosigner } = log.member('c');
    const ed25519 = cosigner.sign(encodeUtf8(`cosignature/v1\ntime ${time}\n${text}`));
    const signature = new Uint8Array(72);
    new DataView(signature.buffer).setBigUint64(0, time);
    signature.set(ed25519, 8);
    const right = ['a', 'b'].map((name) => cosign(text, log.member(name).cosigner, TIME_SECONDS));
    const { name, keyId } = cosigner.key;
    return receipt(formatNote(text, [signText(text, log.member('a').origin), ...right, { name, keyId, signature }]));
  };
  return [
    ...[0n, 1n, 2n ** 53n - 1n].map((time) =>
      caseOf(`a cosignature at second ${time}`, 'a', { receipt: at(time), genesis: log.genesis }),
    ),
    ...[2n ** 53n, 2n ** 62n, 2n ** 64n - 1n].map((time) =>
      caseOf(`a cosignature at second ${time}`, 'bad-signature', { receipt: at(time), genesis: log.genesis }),
    ),
  ];
}

/** A genesis and a policy together, and a header that nobody could have signed. */
function mixedCases(): ReceiptCase[] {
  const { log, checkpoint, policy, receipt } = example();
  const genesis = log.genesis;
  const ofOneLog = policy
    .split('\n')
    .filter((line, i) => !line.startsWith('log ') || i === 0)
    .join('\n');
  const outside = `${ofOneLog}witness outside ${OUTSIDE.key.text}\n`;
  const otherLine = encodeUtf8(`${decodeUtf8(checkpoint)}— witness.example AAAAAQECAwQ=\n`);
  const unsigned = (line: string): Uint8Array => {
    const raw = new SmallLog(names);
    const text = decodeUtf8(raw.appendBatch('a', events).built.header).split('\n\n')[0] ?? '';
    const own = new SmallLog(names);
    const header = encodeUtf8(`${text}\n\n— a ${line}\n`);
    const index = own.append(encodeFrame({ kind: 'batch', header, body: new Uint8Array() }));
    const path = buildInclusionProof(index, own.size, nodeReader(own.leafHashes));
    const extra = { event: events[0] as Uint8Array, header, path: [], position: 0 };
    return encodeUtf8(formatReceipt({ index, path, checkpoint: own.checkpoint(), extra }));
  };
  const raw = new RawGovernance(names);
  const { member, change } = rotation('b', ORIGIN, 'new');
  raw.enact(changeJson(change));
  raw.cut();
  Object.assign(raw.log.members, { 1: member });
  const renewed = parseReceipt(encodeUtf8(raw.log.receipt(raw.log.appendBatch('b', events), events, 0)));
  const carrying = encodeUtf8(formatReceipt({ ...renewed, extra: { ...renewed.extra, history: raw.history() } }));
  const empty = canonicalJsonBytes({ format: 'concordat/history/v1', steps: [] });
  return [
    caseOf('a genesis, and a policy that lists one of its origin keys', 'a', {
      receipt: receipt(),
      genesis,
      policy: ofOneLog,
    }),
    caseOf('a damaged line by a witness of the policy', 'bad-signature', {
      receipt: receipt(otherLine),
      genesis,
      policy: outside,
    }),
    caseOf('the same, by the policy alone', 'not checked', { receipt: receipt(otherLine), policy: outside }),
    caseOf('a header whose signature is no base64', 'malformed-receipt', { receipt: unsigned('!!!!'), policy }),
    caseOf('a header whose signature has trailing bits', 'malformed-receipt', {
      receipt: unsigned('AAAAAQECAwR='),
      policy,
    }),
    caseOf('a header whose signature is too short', 'malformed-receipt', { receipt: unsigned('AAAA'), policy }),
    caseOf('a history within that the given one leaves out', 'no-quorum', {
      receipt: carrying,
      genesis: raw.log.genesis,
      history: empty,
    }),
  ];
}

function policyCases(): ReceiptCase[] {
  const { policy, receipt, log } = example();
  const [firstLog = ''] = policy.split('\n');
  const witness = policy.split('\n').find((line) => line.startsWith('witness a ')) ?? '';
  const group = policy.split('\n').find((line) => line.startsWith('group ')) ?? '';
  const elsewhere = signerOf('elsewhere', PLAIN_KEY, 'origin a');
  const cosigning = signerOf(log.origin, COSIGNER_KEY, 'origin x');
  const changed = (name: string, expected: string, text: string) =>
    caseOf(`a policy with ${name}`, expected, { receipt: receipt(), policy: text });
  const bad = (name: string, text: string) => changed(name, 'malformed-policy', text);
  return [
    changed('tabs and a comment', 'not checked', `# all\n${policy.replaceAll(' ', '\t \t')}`),
    bad('a log twice', `${firstLog}\n${policy}`),
    bad('a key as two logs', `log ${elsewhere.key.text}\n${policy}`),
    bad('a log of a cosigner key', `log ${cosigning.key.text}\n${policy}`),
    bad('a witness twice', `${policy}${witness.replace('witness a', 'witness d')}\n`),
    bad('a threshold with a sign', policy.replace(group, group.replace(' 3 ', ' +3 '))),
    bad('a threshold with a leading zero', policy.replace(group, group.replace(' 3 ', ' 03 '))),
    bad('a carriage return', policy.replace('\nquorum', '\r\nquorum')),
    bad('a delete character', `${policy}#\u007f\n`),
    bad('a quorum twice', `${policy}quorum quorum:members\n`),
    changed('a quorum of none', 'not checked', policy.replace('quorum quorum:members', 'quorum none')),
    changed('no log', 'not checked', policy.replaceAll(/^log .*\n/gm, '')),
    bad('no witness in a group', `${policy}group more 1\n`),
    bad('a group of itself', `group more 1 more\n${policy}`),
    changed('more than 256 KiB', 'too-large', `#${'x'.repeat(262_144)}\n${policy}`),
    changed('more than 256 KiB in fewer characters', 'too-large', `#${'é'.repeat(131_072)}\n${policy}`),
  ];
}

function genesisCases(): ReceiptCase[] {
  const log = new SmallLog(names);
  const json = JSON.parse(decodeUtf8(exampleGenesis(log.members))) as Record<string, LedgerJson>;
  const hash = encodeBase64(new Uint8Array(32));
  const previous = { origin: 'old.example', root: hash, size: 1 };
  const chains = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`a/${i}`, hash]));
  const changed = (name: string, expected: string, change: Record<string, LedgerJson>) => {
    const genesis = canonicalJsonBytes({ ...json, ...change });
    const own = new SmallLog(names);
    const batch = own.appendBatch('a', events);
    return caseOf(`a genesis with ${name}`, expected, { receipt: encodeUtf8(own.receipt(batch, events, 0)), genesis });
  };
  const bad = (name: string, change: Record<string, LedgerJson>) => changed(name, 'malformed-genesis', change);
  const renamed = (origin: string): Record<string, LedgerJson> => {
    const listed = json['members'] as readonly Record<string, LedgerJson>[];
    const members = listed.map((member, i) => ({ ...member, originKey: keyText(origin, names[i] ?? '') }));
    return { members, origin };
  };
  return [
    changed('a previous log', 'a', { previous }),
    bad('a previous log without a name', { previous: { ...previous, origin: '' } }),
    bad('a previous log with a control character', { previous: { ...previous, origin: 'old\u0081' } }),
    bad('a previous log whose name has 256 bytes', { previous: { ...previous, origin: 'é'.repeat(128) } }),
    bad('a chain of three parts', { previous: { ...previous, chains: { 'a/b/c': hash } } }),
    changed('as many chains as there may be', 'a', { previous: { ...previous, chains: chains(4096) } }),
    bad('a chain too many', { previous: { ...previous, chains: chains(4097) } }),
    changed('more than 256 KiB', 'too-large', { previous: { ...previous, chains: chains(5000) } }),
    bad('a space in its origin', renamed('log example')),
    bad('a control character in its origin', renamed('log\u0081example')),
    bad('an origin of 256 bytes', renamed('o'.repeat(256))),
    bad('an empty origin', renamed('')),
  ];
}

/** A verifier key by hand: no builder makes one with such a name. */
function keyText(name: string, member: string): string {
  const { publicKey } = signerOf('x', PLAIN_KEY, `origin ${member}`).key;
  const material = Uint8Array.of(PLAIN_KEY, ...publicKey);
  const id = sha256(encodeUtf8(`${name}\n`), material).subarray(0, 4);
  return `${name}+${Buffer.from(id).toString('hex')}+${encodeBase64(material)}`;
}

/** Trees of any size: the leaf and made-up siblings, signed by all. */
function sizeCases(): ReceiptCase[] {
  const log = new SmallLog(names);
  const { header } = log.appendBatch('a', events).built;
  const leaf = leafHash(headerLeafBytes(sha256(header)));
  const most = 2 ** 53 - 1;
  const places: readonly (readonly [number, number])[] = [
    [0, 1],
    [0, 2],
    [255, 256],
    [255, 257],
    [256, 257],
    [2 ** 31 - 1, 2 ** 31],
    [2 ** 31, 2 ** 31 + 1],
    [2 ** 32 + 1, 2 ** 32 + 9],
    [0, most],
    [most - 1, most],
    [2 ** 52, most],
  ];
  const signed = (size: number, root: Uint8Array): Uint8Array => {
    const text = formatCheckpoint({ origin: log.origin, size, root });
    return formatNote(text, [
      signText(text, log.member('a').origin),
      ...log.members.map(({ cosigner }) => cosign(text, cosigner, TIME_SECONDS)),
    ]);
  };
  const extra = { event: events[0] as Uint8Array, header, path: [], position: 0 };
  const at = (index: number, size: number): string => {
    const proof = planInclusionProof(index, size).map((_, i) => sha256(Uint8Array.of(i)));
    const root = rootFromInclusion({ index, size, leafHash: leaf, proof });
    return formatReceipt({ index, path: proof, checkpoint: signed(size, root), extra });
  };
  const { genesis } = log;
  const text = at(most - 1, most);
  return [
    ...places.map(([index, size]) =>
      caseOf(`leaf ${index} of ${size}`, 'a', { receipt: encodeUtf8(at(index, size)), genesis }),
    ),
    caseOf('an index of 2^53', 'malformed-receipt', {
      receipt: encodeUtf8(text.replace(`index ${most - 1}`, `index ${most + 1}`)),
      genesis,
    }),
    caseOf('an index with a leading zero', 'malformed-receipt', {
      receipt: encodeUtf8(at(1, 2).replace('index 1', 'index 01')),
      genesis,
    }),
    caseOf('a path that is too long', 'proof-length', {
      receipt: encodeUtf8(text.replace('\n\n', `\n${encodeBase64(leaf)}\n\n`)),
      genesis,
    }),
    caseOf('an empty tree', 'index-range', {
      receipt: encodeUtf8(formatReceipt({ index: 0, path: [], checkpoint: signed(0, leaf), extra })),
      genesis,
    }),
    ...batchPlaceCases(),
  ];
}

function batchPlaceCases(): ReceiptCase[] {
  const log = new SmallLog(names);
  const many = Array.from({ length: 256 }, (_, i) => exampleEvent(`${i}`));
  const batch = log.appendBatch('a', many);
  return [0, 1, 127, 128, 255].map((position) => {
    const receipt = encodeUtf8(log.receipt(batch, many, position));
    return caseOf(`event ${position} of 256`, 'a', { receipt, genesis: log.genesis });
  });
}

/** JSON that says the same in another form. */
function jsonCases(): ReceiptCase[] {
  const { log, receipt } = example();
  const whole = decodeUtf8(receipt());
  const changed = (name: string, from: string, to: string): ReceiptCase => {
    const text = whole.replace(/^extra (.*)$/m, (_, extra: string) => {
      const json = decodeUtf8(Buffer.from(extra, 'base64'));
      if (!json.includes(from)) throw new Error(`no ${from}`);
      return `extra ${encodeBase64(encodeUtf8(json.replace(from, to)))}`;
    });
    return caseOf(name, 'malformed-receipt', { receipt: encodeUtf8(text), genesis: log.genesis });
  };
  return [
    changed('a member twice', '"position":0', '"position":0,"position":0'),
    changed('a number as a fraction', '"position":0', '"position":0.0'),
    changed('a number with an exponent', '"position":0', '"position":0e0'),
    changed('a negative zero', '"position":0', '"position":-0'),
    changed('a number below zero', '"position":0', '"position":-1'),
    changed('a null', '"position":0', '"position":null'),
    changed('white space', '"position":0', '"position": 0'),
    changed('an escape', '"position"', '"\\u0070osition"'),
    changed('a prototype', '{"event"', '{"__proto__":{},"event"'),
    changed('a newline at the end', '"position":0}', '"position":0}\n'),
    changed('base64 with white space', '"header":"', '"header":" '),
    changed('the byte order mark', '{"event"', '\ufeff{"event"'),
  ];
}
