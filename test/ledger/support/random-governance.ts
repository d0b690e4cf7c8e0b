import { formatCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { cosign } from '../../../src/ledger/cosignature.ts';
import { formatEvidence } from '../../../src/ledger/evidence-file.ts';
import { parseFrame } from '../../../src/ledger/frame.ts';
import { DEFAULT_LOG_PARAMETERS } from '../../../src/ledger/genesis.ts';
import type { GovernanceVerdict } from '../../../src/ledger/governance.ts';
import type { Change } from '../../../src/ledger/governance-change.ts';
import { buildHistory } from '../../../src/ledger/governance-history.ts';
import type { HistoryRecord } from '../../../src/ledger/governance-history.ts';
import { activeMembers, latestVersion } from '../../../src/ledger/governance-state.ts';
import type { GovernedMember } from '../../../src/ledger/governance-state.ts';
import { PLAIN_KEY } from '../../../src/ledger/note-key.ts';
import { formatNote, signText } from '../../../src/ledger/note.ts';
import type { Random } from '../interleavings/random.ts';
import { acceptanceOf, Consortium } from './consortium.ts';
import { exampleEvent, memberOf, ORIGIN, signerOf, signingMember, SmallLog } from './small-log.ts';
import type { SigningMember } from './small-log.ts';
import { nodeReader } from './trees.ts';

type Batch = ReturnType<SmallLog['appendBatch']>;
/** A governance record of the log, and what members made of it. */
export type JudgedAct = Omit<HistoryRecord, 'path'> & { readonly verdict: GovernanceVerdict };

const GENERATIONS = ['', ' 1', ' 2'];
const NEWCOMERS = ['x', 'y', 'z'];
export const EVENTS: readonly Uint8Array[] = [exampleEvent('random')];

/** Members that propose, vote, repeat and contradict each other without plan, in a log that is cut now and then. */
export class RandomGovernance {
  readonly consortium: Consortium;
  readonly batches: Batch[] = [];
  readonly records: JudgedAct[] = [];
  readonly checkpoints: Uint8Array[] = [];
  readonly #random: Random;
  /** Every set of keys that was ever made. */
  readonly #made = new Map<string, SigningMember>();
  readonly #proposals: string[] = [];
  readonly #names: string[];

  constructor(random: Random, count: number) {
    this.#random = random;
    this.#names = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, count);
    this.consortium = new Consortium(this.#names);
    for (const member of this.consortium.log.members) this.#remember(member);
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      const what = this.#random.below(12);
      if (what < 2) this.#act(() => this.#propose());
      else if (what < 9) this.#act(() => this.#vote());
      else if (what === 9) this.#act(() => this.#repeat());
      else if (what === 10) this.#cut();
      else this.#batch();
    }
    this.#cut();
    this.#batch();
  }

  /** The checkpoint of the log's end by these members, or by all that are active. */
  checkpoint(signers: readonly GovernedMember[] = activeMembers(latestVersion(this.consortium.state))): Uint8Array {
    const { log } = this.consortium;
    const text = formatCheckpoint({ origin: log.origin, size: log.size, root: log.root() });
    const found = signers.map((member) => this.#made.get(keysText(member))).filter((one) => one !== undefined);
    return formatNote(text, [
      ...found.map(({ origin }) => signText(text, origin)),
      ...found.map(({ cosigner }) => cosign(text, cosigner, 1_790_000_000)),
    ]);
  }

  history(records: readonly JudgedAct[] = this.records.filter(({ verdict }) => verdict === 'accepted')): Uint8Array {
    return buildHistory({
      records,
      checkpoints: this.checkpoints,
      readNode: nodeReader(this.consortium.log.leafHashes),
    });
  }

  #act(act: () => { readonly verdict: GovernanceVerdict } | undefined): void {
    const { log } = this.consortium;
    const index = log.size;
    const verdict = act()?.verdict;
    const frame = log.records[index] && parseFrame(log.records[index]);
    if (verdict !== undefined && frame?.kind === 'governance')
      this.records.push({ index, header: frame.header, body: frame.body, verdict });
  }

  #propose() {
    const name = this.#name();
    const nonce = Buffer.alloc(16, this.#random.below(256)).toString('base64url');
    const made = this.consortium.act(name, { act: 'propose', change: this.#change(), nonce }, this.#keysOf(name));
    this.#proposals.push(made.id);
    return made;
  }

  #vote() {
    const proposal = this.#random.chance(0.97) ? this.#proposals.at(-1 - this.#random.below(2)) : 'ab'.repeat(32);
    if (proposal === undefined) return undefined;
    const name = this.#name();
    const vote = this.#random.chance(0.85) ? 'yes' : 'no';
    return this.consortium.act(name, { act: 'vote', proposal, vote }, this.#keysOf(name));
  }

  /** The bytes of an earlier record, by whoever can reach the topic. */
  #repeat() {
    const { log } = this.consortium;
    const record = this.#random.pick(log.records);
    return parseFrame(record)?.kind === 'governance' ? { verdict: this.consortium.take(record) } : undefined;
  }

  #cut(): void {
    const { log } = this.consortium;
    // Which record ends the tree does not matter to who has only the history; this one needs no member that may cut.
    log.append(log.records[0] as Uint8Array);
    const before = this.consortium.state.versions;
    const checkpoint = this.checkpoint();
    this.consortium.activate();
    if (this.consortium.state.versions !== before) this.checkpoints.push(checkpoint);
  }

  #batch(): void {
    const name = this.#name();
    const { log } = this.consortium;
    const rest = log.members.filter((member) => member.name !== name);
    log.members.splice(0, Infinity, ...rest, this.#keysOf(name));
    this.batches.push(log.appendBatch(name, EVENTS, `w${this.batches.length}`));
  }

  #name(): string {
    return this.#random.pick(this.#random.chance(0.8) ? this.#names : this.#members());
  }

  #members(): readonly string[] {
    return latestVersion(this.consortium.state).members.map(({ name }) => name);
  }

  /** Mostly the keys in force of a name. */
  #keysOf(name: string): SigningMember {
    const found = latestVersion(this.consortium.state).members.find((member) => member.name === name);
    const inForce = found && this.#made.get(keysText(found));
    return inForce !== undefined && this.#random.chance(0.98) ? inForce : this.#make(name);
  }

  #remember(made: SigningMember): void {
    this.#made.set(keysText(memberOf(made)), made);
  }

  #make(name: string): SigningMember {
    const fresh = signingMember(name, ORIGIN, this.#random.pick(GENERATIONS));
    const other = `batch ${this.#random.pick(this.#names)}`;
    const made = this.#random.chance(0.9) ? fresh : { ...fresh, batch: signerOf(name, PLAIN_KEY, other) };
    this.#remember(made);
    return made;
  }

  #change(): Change {
    const isJoining = this.#random.chance(0.2);
    const member = isJoining ? this.#random.pick(NEWCOMERS) : this.#name();
    const freeze = { freeze: this.#random.below(9) };
    const evidence = this.#random.chance(0.5) ? this.#lie(member) : this.#fork(member);
    const made = this.#make(member);
    const joining = {
      member: memberOf(made),
      acceptance: acceptanceOf(this.#random.chance(0.9) ? made : this.#make(member), ORIGIN),
    };
    const ground = this.#random.chance(0.5) ? freeze : { evidence };
    const numerator = 2 + this.#random.below(2);
    const changes: readonly Change[] = [
      { kind: 'admit', ...joining },
      { kind: 'rotate-key', ...joining, graceLeaves: this.#random.below(12) },
      { kind: 'rotate-key', ...joining, graceLeaves: this.#random.below(12) },
      { kind: 'suspend', member, ground },
      { kind: 'remove', member, ground },
      { kind: 'accept-evidence', member, evidence },
      { kind: 'change-quorum', quorum: { numerator, denominator: numerator + 1 } },
      { kind: 'adopt-rule-set', digest: this.#random.pick(['00', 'ab', 'cd']).repeat(32) },
      {
        kind: 'change-parameters',
        parameters: { ...DEFAULT_LOG_PARAMETERS, cutIntervalMs: 1000 + this.#random.below(2) },
      },
      ...(this.#random.chance(0.1)
        ? [{ kind: 'open-epoch', size: 1, root: new Uint8Array(32), genesis: new Uint8Array(32) } as const]
        : []),
    ];
    return isJoining && changes[0] !== undefined ? changes[0] : this.#random.pick(changes);
  }

  /** Two batches of one number, or the same one twice. */
  #lie(name: string): Uint8Array {
    const header = (seed: string): Uint8Array => {
      const view = new SmallLog([name]);
      view.members.splice(0, 1, this.#keysOf(name));
      return view.appendBatch(name, [exampleEvent(seed)]).built.header;
    };
    const second = this.#random.chance(0.8) ? 'y' : 'x';
    return formatEvidence({ kind: 'two-batches', member: this.#name(), first: header('x'), second: header(second) });
  }

  /** Two trees, of one size or not, of which one may begin with the other. */
  #fork(name: string): Uint8Array {
    const [left, right] = [new SmallLog(['p']), new SmallLog(['p'])];
    left.appendCut('p');
    right.appendBatch('p', [exampleEvent(this.#random.chance(0.8) ? 'right' : 'left')]);
    if (this.#random.chance(0.5)) right.appendCut('p');
    if (this.#random.chance(0.2))
      left.append(left.records.splice(1, 1, right.records[1] as Uint8Array)[0] as Uint8Array);
    const { origin, cosigner } = this.#keysOf(name);
    const signed = (log: SmallLog): Uint8Array => {
      const text = `${formatCheckpoint({ origin: ORIGIN, size: log.size, root: log.root() })}${this.#random.chance(0.2) ? 'more\n' : ''}`;
      return formatNote(text, [this.#random.chance(0.5) ? signText(text, origin) : cosign(text, cosigner, 7)]);
    };
    const [first, second] = left.size <= right.size ? [left, right] : [right, left];
    const isConnected = first.size !== second.size ? this.#random.chance(0.9) : this.#random.chance(0.3);
    const root = second.root(this.#random.chance(0.95) ? first.size : 1);
    const connection = isConnected ? { root, path: second.consistencyProof(first.size) } : undefined;
    const member = this.#random.chance(0.8) ? name : this.#name();
    return formatEvidence({ kind: 'two-trees', member, first: signed(first), second: signed(second), connection });
  }
}

function keysText({
  batchKey,
  originKey,
  cosignerKey,
}: Pick<GovernedMember, 'batchKey' | 'originKey' | 'cosignerKey'>) {
  return [batchKey, originKey, cosignerKey].map(({ text }) => text).join(' ');
}
