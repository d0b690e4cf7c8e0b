import { createHash } from 'node:crypto';
import { encodeEvent } from '../../src/ledger/event.ts';
import {
  buildGenesis,
  DEFAULT_LOG_PARAMETERS,
  TWO_THIRDS,
  type LogParameters,
  type Member,
} from '../../src/ledger/genesis.ts';
import type { PreviousLog } from '../../src/ledger/genesis-previous.ts';
import type { LedgerLog, MemberKeys } from '../../src/ledger/ledger-options.ts';
import type { LedgerView } from '../../src/ledger/ledger-view.ts';
import { generateSigningKey, parseVerifierKey, type NoteKeyType } from '../../src/ledger/note-key.ts';
import type { PeerClient } from '../../src/ledger/peer.ts';

export interface TestMember {
  readonly name: string;
  readonly writer: string;
  readonly keys: MemberKeys;
}

export interface TestConsortium {
  readonly origin: string;
  readonly genesis: Uint8Array;
  readonly members: readonly TestMember[];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A member's keys as they follow from its name, with what a genesis or a change of keys says of them. */
export function memberKeys(
  name: string,
  origin: string,
  generation = '',
): { readonly keys: MemberKeys; readonly member: Member } {
  const key = (keyName: string, type: NoteKeyType, label: string) =>
    generateSigningKey({ name: keyName, type, seed: digest(`${origin} ${keyName} ${name} ${label}${generation}`) });
  const batch = key(name, 0x01, 'batch');
  const originKey = key(origin, 0x01, 'origin');
  const cosigner = key(`${name}/cosigner`, 0x04, 'cosigner');
  return {
    keys: { batch: batch.signerKey, origin: originKey.signerKey, cosigner: cosigner.signerKey },
    member: {
      name,
      batchKey: parseVerifierKey(batch.verifierKey),
      originKey: parseVerifierKey(originKey.verifierKey),
      cosignerKey: parseVerifierKey(cosigner.verifierKey),
      agreementKey: digest(`${name} agreement`),
    },
  };
}

/** A consortium whose keys follow from the names: the same at every run. */
export function makeConsortium(
  options: {
    members?: number | readonly string[];
    origin?: string;
    parameters?: Partial<LogParameters>;
    previous?: PreviousLog;
  } = {},
): TestConsortium {
  const origin = options.origin ?? 'ledger.example/test';
  const { members = 3 } = options;
  const names =
    typeof members === 'number'
      ? ['hospital', 'clinics', 'payer', 'lab', 'registry', 'pharmacy', 'imaging'].slice(0, members)
      : members;
  const made = names.map((name) => ({ name, ...memberKeys(name, origin) }));
  const genesis = buildGenesis({
    origin,
    members: made.map(({ member }) => member),
    quorum: TWO_THIRDS,
    parameters: { ...DEFAULT_LOG_PARAMETERS, ...options.parameters },
    ruleSet: '0'.repeat(64),
    previous: options.previous,
  });
  return { origin, genesis, members: made.map(({ name, keys }) => ({ name, writer: `${name}-1`, keys })) };
}

/** Bytes of an event whose id and commitment follow from a label. */
export function testEvent(label: string): { readonly id: string; readonly bytes: Uint8Array } {
  const id = digest(`id ${label}`).subarray(0, 16).toString('base64url');
  const commit = digest(`commit ${label}`).toString('base64url');
  return { id, bytes: encodeEvent({ id, kind: 'received', alg: 'c1', commit, rules: 0, links: [] }) };
}

/** A peer in the same process; `reachable` may be switched off. */
export class LocalPeer implements PeerClient {
  readonly member: string;
  reachable = true;
  readonly #view: () => LedgerView | undefined;

  constructor(member: string, view: () => LedgerView | undefined) {
    this.member = member;
    this.#view = view;
  }

  #open(): LedgerView {
    const view = this.#view();
    if (view === undefined || !this.reachable) throw new Error('unreachable');
    return view;
  }

  addCheckpoint: PeerClient['addCheckpoint'] = async (body) => this.#open().addCheckpoint(body);
  checkpoint: PeerClient['checkpoint'] = async () => this.#open().checkpoint();
  head: PeerClient['head'] = async (writer) => this.#open().head(writer);
  blob: PeerClient['blob'] = async (hash) => this.#open().blob(hash);
  tile: PeerClient['tile'] = async (level, index, width) => this.#open().tile(level, index, width);
  badBodies = async (): Promise<readonly number[]> => this.#open().badBodies();
  history = async (): Promise<Uint8Array | undefined> => this.#open().history();
  relay = async (frame: Uint8Array): Promise<boolean> => (await this.#open().relay?.(frame)) === true;
  entryBundle: PeerClient['entryBundle'] = async (index, width) => this.#open().entryBundle(index, width);
}

export const SILENT: LedgerLog = { info: () => {}, warn: () => {}, error: () => {} };

/** Polls until `read` gives something. */
export async function eventually<T>(read: () => T | undefined | false, timeoutMs = 10_000): Promise<T> {
  const untilMs = Date.now() + timeoutMs;
  for (;;) {
    const value = read();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > untilMs) throw new Error('it did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
