import { sha256 } from '../hash.ts';
import { parseBatchHeader } from './batch.ts';
import { encodeFrame } from './frame.ts';
import { genesisFrame, parseGenesis } from './genesis.ts';
import { activate, waitingSince } from './governance.ts';
import { genesisState, type GovernanceState } from './governance-state.ts';
import { encodeBase64, encodeUtf8 } from './encoding.ts';
import type { WriterChain } from './ledger-view.ts';
import { EMPTY_HEAD, type ReplicaHead } from './replica-state.ts';
import { judgeRecord, type JudgeContext, type JudgedRecord } from './replica-judge.ts';

/**
 * Judges a log from its first leaf on, keeping only what later verdicts depend on: chains, accepted headers, cuts and governance. What a checker or a
 * new member runs over leaves that it was given by somebody it does not trust.
 */
export class Replay {
  readonly #context: JudgeContext;
  readonly #chains = new Map<string, WriterChain>();
  readonly #accepted = new Map<string, number>();
  #head: ReplicaHead = EMPTY_HEAD;
  #governance: GovernanceState;

  constructor(genesis: Uint8Array) {
    const parsed = parseGenesis(genesis);
    this.#governance = genesisState(parsed);
    const replay = {
      head: () => this.#head,
      writer: (name: string) => this.#chains.get(name),
      acceptedLeaf: (hash: Uint8Array) => this.#accepted.get(encodeBase64(hash)),
    };
    this.#context = {
      origin: parsed.origin,
      genesisFrame: genesisFrame(genesis),
      governance: () => this.#governance,
      chainStarts: parsed.previous?.chains,
      replica: {
        get head() {
          return replay.head();
        },
        writer: replay.writer,
        acceptedLeaf: replay.acceptedLeaf,
      },
    };
  }

  get size(): number {
    return this.#head.size;
  }

  get governance(): GovernanceState {
    return this.#governance;
  }

  /**
   * Judges the record that is the next leaf, and takes it.
   * @param assumeBody the body is no longer kept, or lost: the header alone decides, so that the chain goes on
   */
  take(record: Uint8Array, assumeBody = false): JudgedRecord {
    const strict = judgeRecord(record, this.#context);
    const judged = assumeBody && strict.missingBody !== undefined ? judgedWithoutBody(strict) : strict;
    const index = this.#head.size;
    const isCut = judged.type === 'cut' && judged.verdict === 'accepted';
    this.#head = { ...this.#head, size: index + 1, cuts: this.#head.cuts + (isCut ? 1 : 0) };
    if (judged.verdict === 'accepted') {
      if (judged.headerHash !== undefined) this.#accepted.set(encodeBase64(judged.headerHash), index);
      if (judged.chain !== undefined)
        this.#chains.set(`${judged.chain.member}/${judged.chain.writer}`, { ...judged.chain, leafIndex: index });
      if (judged.governance !== undefined) this.#governance = judged.governance.state;
    }
    if (isCut && waitingSince(this.#governance) !== undefined) this.#governance = activate(this.#governance, index + 1);
    return judged;
  }
}

/** An otherwise acceptable batch whose body is no longer to be had: its header, which is signed and in the tree, carries its chain on. */
export function judgedWithoutBody(judged: JudgedRecord): JudgedRecord {
  if (judged.type !== 'batch') return judged;
  const { member, writer, batch, firstEvent, count } = parseBatchHeader(judged.header);
  const headerHash = judged.headerHash ?? sha256(judged.header);
  return {
    ...judged,
    verdict: 'accepted',
    chain: { member, writer, batch, headerHash, nextEvent: firstEvent + count },
  };
}

const VOID_TITLE = encodeUtf8('concordat/void/v1\n');

/** Whether leaf bytes stand for a record whose framing is malformed. */
export function isVoidLeaf(leafBytes: Uint8Array): boolean {
  return VOID_TITLE.every((byte, i) => leafBytes[i] === byte);
}

/** The topic record that a header and body came from, as far as a leaf tells: what it is stands in the header's first line. */
export function recordOf(header: Uint8Array, body: Uint8Array): Uint8Array {
  const title = new TextDecoder('latin1').decode(header.subarray(0, 24));
  const kind =
    (['cut', 'governance', 'genesis'] as const).find((name) => title.startsWith(`concordat/${name}/`)) ?? 'batch';
  return encodeFrame({ kind, header, body });
}
