import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { formatCheckpoint } from '../../src/ledger/checkpoint.ts';
import { CosignaturePool, combineNote } from '../../src/ledger/cosignature-pool.ts';
import { cosign } from '../../src/ledger/cosignature.ts';
import {
  buildGenesis,
  DEFAULT_LOG_PARAMETERS,
  MAXIMUM_MEMBERS,
  parseGenesis,
  TWO_THIRDS,
} from '../../src/ledger/genesis.ts';
import { genesisState, latestVersion } from '../../src/ledger/governance-state.ts';
import type { MemberKeys } from '../../src/ledger/ledger-options.ts';
import { membershipOf, type Membership } from '../../src/ledger/membership.ts';
import { sha256 } from '../../src/hash.ts';
import { parseSignerKey } from '../../src/ledger/note-key.ts';
import { formatNote, parseNote, signText, verifyNote } from '../../src/ledger/note.ts';
import { buildPolicy, evaluatePolicy, policyKeys } from '../../src/ledger/policy.ts';
import { builtTool } from '../support/go-tool.ts';
import { memberKeys } from './consortium.ts';

const ORIGIN = 'ledger.example/many';
const folder = mkdtempSync(join(tmpdir(), 'concordat-pool-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const verifier = await builtTool(join(import.meta.dirname, '..', '..', 'verifier-go'));

/** As many members as a genesis may name, and a tree that all of them signed, each in a note of its own. */
function everybody() {
  const made = Array.from({ length: MAXIMUM_MEMBERS }, (_, i) => memberKeys(`member-${String(i)}`, ORIGIN));
  const genesis = buildGenesis({
    origin: ORIGIN,
    members: made.map(({ member }) => member),
    quorum: TWO_THIRDS,
    parameters: DEFAULT_LOG_PARAMETERS,
    ruleSet: '0'.repeat(64),
    previous: undefined,
  });
  const membership = membershipOf(latestVersion(genesisState(parseGenesis(genesis))));
  const text = formatCheckpoint({ origin: ORIGIN, size: 7, root: sha256(new Uint8Array(1)) });
  const notes = made.map(({ keys }) =>
    formatNote(text, [
      signText(text, parseSignerKey(keys.origin)),
      cosign(text, parseSignerKey(keys.cosigner), 1_700_000_000),
    ]),
  );
  return { genesis, membership, text, notes };
}

test('a signature by a key that was rotated away before the tree’s size does not count', () => {
  const [first, second] = ['hospital', 'clinics'].map((name) => memberKeys(name, ORIGIN));
  assert.ok(first !== undefined && second !== undefined);
  const rotated = memberKeys('hospital', ORIGIN, ' next');
  const quorum = 2;
  const before: Membership = {
    members: [first, second].map(({ member }) => ({ ...member, active: true, formerBatchKeys: [] })),
    quorum,
  };
  const after: Membership = {
    members: [rotated, second].map(({ member }) => ({ ...member, active: true, formerBatchKeys: [] })),
    quorum,
  };
  const text = formatCheckpoint({ origin: ORIGIN, size: 7, root: sha256(new Uint8Array(1)) });
  const note = ({ keys }: { keys: MemberKeys }): Uint8Array =>
    formatNote(text, [signText(text, parseSignerKey(keys.origin)), cosign(text, parseSignerKey(keys.cosigner), 1)]);
  // The tree was shown before the own replica had the leaf with the rotation.
  const early = new CosignaturePool(ORIGIN);
  early.add(note(first), before);
  const signed = early.add(note(second), before)?.signed;
  assert.ok(signed !== undefined);
  assert.deepEqual(early.cosigners(signed, before), ['hospital', 'clinics']);
  assert.deepEqual(early.cosigners(signed, after), ['clinics']);
  const names = parseNote(combineNote(signed, after, undefined)).signatures.map(({ name }) => name);
  assert.deepEqual(names, [ORIGIN, 'clinics/cosigner']);
  // The new key's signature takes the place of the old one's.
  early.add(note(rotated), after);
  assert.deepEqual(early.cosigners(signed, after), ['hospital', 'clinics']);
});

test('old notes that somebody shows again do not push out what a member signed last', () => {
  const { keys, member } = memberKeys('hospital', ORIGIN);
  const membership: Membership = { members: [{ ...member, active: true, formerBatchKeys: [] }], quorum: 1 };
  const note = (size: number): Uint8Array => {
    const text = formatCheckpoint({ origin: ORIGIN, size, root: sha256(new Uint8Array(1)) });
    return formatNote(text, [cosign(text, parseSignerKey(keys.cosigner), 1)]);
  };
  const pool = new CosignaturePool(ORIGIN);
  const latest = pool.add(note(1000), membership)?.signed;
  assert.ok(latest !== undefined);
  for (let size = 1; size <= 300; size++) pool.add(note(size), membership);
  assert.deepEqual(pool.cosigners(latest, membership), ['hospital']);
  assert.ok(pool.trees().length < 200);
});

test('the empty tree is nobody’s to sign', () => {
  const { keys, member } = memberKeys('hospital', ORIGIN);
  const text = formatCheckpoint({ origin: ORIGIN, size: 0, root: sha256(new Uint8Array(1)) });
  const note = formatNote(text, [signText(text, parseSignerKey(keys.origin))]);
  const membership: Membership = { members: [{ ...member, active: true, formerBatchKeys: [] }], quorum: 1 };
  assert.equal(new CosignaturePool(ORIGIN).add(note, membership), undefined);
});

describe('signatures that members gave a checkpoint', () => {
  const { genesis, membership, notes } = everybody();
  const pool = new CosignaturePool(ORIGIN);
  const signed = notes.map((note) => pool.add(note, membership)?.signed).at(-1);
  assert.ok(signed !== undefined);
  const combined = combineNote(signed, membership, 'member-60');
  const parsed = parseNote(combined);

  test('a note of the most members has no more lines than tools by others read, and every cosignature is among them', () => {
    assert.equal(parsed.signatures.length, 100);
    const names = new Set(parsed.signatures.map(({ name }) => name));
    assert.ok(membership.members.every(({ name }) => names.has(`${name}/cosigner`)));
    const policy = buildPolicy({ members: membership.members, quorum: membership.quorum });
    assert.equal(evaluatePolicy(policy, ORIGIN, verifyNote(parsed, policyKeys(policy))).length, MAXIMUM_MEMBERS);
  });

  test("the serving member's origin signature comes first", () => {
    const key = membership.members.find(({ name }) => name === 'member-60')?.originKey;
    assert.equal(parsed.signatures[0]?.keyId, key?.keyId);
  });

  test(
    'the verifier in Go reads it',
    { skip: 'missing' in verifier ? `the verifier in Go: ${verifier.missing}` : false },
    () => {
      const [genesisFile, noteFile] = [join(folder, 'genesis.json'), join(folder, 'checkpoint')];
      writeFileSync(genesisFile, genesis);
      const verify = (note: Uint8Array): number | null => {
        writeFileSync(noteFile, note);
        const program = 'path' in verifier ? verifier.path : '';
        return spawnSync(program, ['checkpoint', '--genesis', genesisFile, noteFile], { timeout: 20_000 }).status;
      };
      assert.equal(verify(combined), 0);
      const lines = notes.flatMap((note) => parseNote(note).signatures);
      assert.equal(verify(formatNote(parsed.text, lines)), 2);
    },
  );
});
