import { sha256 } from '../../../src/hash.ts';
import { buildBatch, NO_PREVIOUS_HEADER } from '../../../src/ledger/batch.ts';
import type { BuiltBatch } from '../../../src/ledger/batch.ts';
import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { buildCut } from '../../../src/ledger/cut.ts';
import { encodeBase64Url, encodeUtf8 } from '../../../src/ledger/encoding.ts';
import { encodeEvent } from '../../../src/ledger/event.ts';
import type { LedgerEventKind } from '../../../src/ledger/event.ts';
import {
  buildGenesis,
  DEFAULT_LOG_PARAMETERS,
  genesisFrame,
  parseGenesis,
  TWO_THIRDS,
} from '../../../src/ledger/genesis.ts';
import type { Genesis } from '../../../src/ledger/genesis.ts';
import { recordLeafHash } from '../../../src/ledger/leaf.ts';
import { buildConsistencyProof, buildInclusionProof } from '../../../src/ledger/merkle/proof.ts';
import { leafHash, treeRoot } from '../../../src/ledger/merkle/tree-hash.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import { COSIGNER_KEY, generateSigningKey, parseSignerKey, PLAIN_KEY } from '../../../src/ledger/note-key.ts';
import type { NoteKeyType, NoteSigner } from '../../../src/ledger/note-key.ts';
import { formatReceipt } from '../../../src/ledger/receipt.ts';
import { nodeReader } from './trees.ts';

/** A member that can sign; every key is derived from names, so that each run builds the same bytes. */
export interface SigningMember {
  readonly name: string;
  readonly batch: NoteSigner;
  readonly origin: NoteSigner;
  readonly cosigner: NoteSigner;
  readonly agreementKey: Uint8Array;
}

export const ORIGIN = 'log.example/consortium';

export function signerOf(name: string, type: NoteKeyType, seedText: string): NoteSigner {
  return parseSignerKey(generateSigningKey({ name, type, seed: sha256(encodeUtf8(seedText)) }).signerKey);
}

export function signingMember(name: string, origin = ORIGIN, generation = ''): SigningMember {
  return {
    name,
    batch: signerOf(name, PLAIN_KEY, `batch ${name}${generation}`),
    origin: signerOf(origin, PLAIN_KEY, `origin ${name}${generation}`),
    cosigner: signerOf(`${name}/cosigner`, COSIGNER_KEY, `cosigner ${name}${generation}`),
    agreementKey: sha256(encodeUtf8(`agreement ${name}${generation}`)),
  };
}

export function memberOf({ name, batch, origin, cosigner, agreementKey }: SigningMember) {
  return { name, batchKey: batch.key, originKey: origin.key, cosignerKey: cosigner.key, agreementKey };
}

export function exampleGenesis(members: readonly SigningMember[], changes: Partial<Genesis> = {}): Uint8Array {
  return buildGenesis({
    origin: ORIGIN,
    members: members.map(memberOf),
    quorum: TWO_THIRDS,
    parameters: DEFAULT_LOG_PARAMETERS,
    ruleSet: '00'.repeat(32),
    ...changes,
  });
}

/** The i-th event of some writer: always the same bytes. */
export function exampleEvent(seed: string, kind: LedgerEventKind = 'received'): Uint8Array {
  const id = encodeBase64Url(sha256(encodeUtf8(`id ${seed}`)).subarray(0, 16));
  return encodeEvent({
    id,
    kind,
    alg: 'c1',
    commit: encodeBase64Url(sha256(encodeUtf8(`commit ${seed}`))),
    rules: 0,
    links: [],
  });
}

/** A log in memory, built with the formats alone: for the tests of whoever checks one. */
export class SmallLog {
  readonly members: SigningMember[];
  readonly genesis: Uint8Array;
  readonly records: Uint8Array[] = [];
  readonly leafHashes: Uint8Array[] = [];
  readonly #heads = new Map<string, { readonly built: BuiltBatch; readonly number: number }>();
  #cuts = 0;

  constructor(names: readonly string[] = ['clinics', 'hospital', 'payer'], genesis?: Uint8Array) {
    const origin = genesis === undefined ? ORIGIN : parseGenesis(genesis).origin;
    this.members = names.map((name) => signingMember(name, origin));
    this.genesis = genesis ?? exampleGenesis(this.members);
    this.append(genesisFrame(this.genesis));
  }

  get origin(): string {
    return parseGenesis(this.genesis).origin;
  }

  get size(): number {
    return this.leafHashes.length;
  }

  member(name: string): SigningMember {
    const found = this.members.find((member) => member.name === name);
    if (found === undefined) throw new Error(`no member ${name}`);
    return found;
  }

  /** @returns the leaf index */
  append(record: Uint8Array): number {
    this.records.push(record);
    this.leafHashes.push(recordLeafHash(record));
    return this.size - 1;
  }

  /** Seals and appends the next batch of a chain. */
  appendBatch(
    member: string,
    events: readonly Uint8Array[],
    writer = `${member}-1`,
  ): { built: BuiltBatch; index: number } {
    const chain = `${member}/${writer}`;
    const head = this.#heads.get(chain);
    const number = (head?.number ?? 0) + 1;
    const built = buildBatch({
      log: this.origin,
      member,
      writer,
      batch: number,
      prev: head?.built.headerHash ?? NO_PREVIOUS_HEADER,
      firstEvent: head === undefined ? 0 : head.built.firstEvent + head.built.count,
      events,
      signer: this.member(member).batch,
    });
    this.#heads.set(chain, { built, number });
    return { built, index: this.append(built.frame) };
  }

  appendCut(member: string): number {
    this.#cuts++;
    return this.append(buildCut({ log: this.origin, member, cut: this.#cuts, signer: this.member(member).batch }));
  }

  root(size = this.size): Uint8Array {
    return treeRoot(this.leafHashes.slice(0, size));
  }

  /** A checkpoint that the named members signed and cosigned at `timestampSeconds`. */
  checkpoint(
    size = this.size,
    names: readonly string[] = this.members.map(({ name }) => name),
    timestampSeconds = 1_790_000_000,
  ): Uint8Array {
    const text = formatCheckpoint({ origin: this.origin, size, root: this.root(size) });
    const signers = names.map((name) => this.member(name));
    return formatNote(text, [
      ...signers.map(({ origin }) => signText(text, origin)),
      ...signers.map(({ cosigner }) => cosign(text, cosigner, timestampSeconds)),
    ]);
  }

  receipt(
    batch: { readonly built: BuiltBatch; readonly index: number },
    events: readonly Uint8Array[],
    position: number,
    checkpoint = this.checkpoint(),
  ): string {
    const event = events[position];
    if (event === undefined) throw new Error('no such event');
    const inBatch = nodeReader(events.map((bytes) => leafHash(bytes)));
    const size = Number(new TextDecoder().decode(checkpoint).split('\n')[1]);
    return formatReceipt({
      index: batch.index,
      path: buildInclusionProof(batch.index, size, nodeReader(this.leafHashes.slice(0, size))),
      checkpoint,
      extra: {
        event,
        header: batch.built.header,
        path: buildInclusionProof(position, events.length, inBatch),
        position,
      },
    });
  }

  consistencyProof(size1: number, size2 = this.size): Uint8Array[] {
    return buildConsistencyProof(size1, size2, nodeReader(this.leafHashes.slice(0, size2)));
  }
}
