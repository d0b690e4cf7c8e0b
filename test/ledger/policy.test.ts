import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSignedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { verifyNote } from '../../src/ledger/note.ts';
import { buildPolicy, evaluatePolicy, formatPolicy, parsePolicy, policyKeys } from '../../src/ledger/policy.ts';
import { memberOf, signerOf, SmallLog } from './support/small-log.ts';
import { rejectsWith } from './support/trees.ts';

const names = ['a', 'b', 'c', 'd'];
const log = new SmallLog(names);
const policy = buildPolicy({ members: log.members.map(memberOf), quorum: 3 });

function evaluate(checkpoint: Uint8Array, used = policy): readonly string[] {
  const { note, checkpoint: parsed } = parseSignedCheckpoint(checkpoint);
  return evaluatePolicy(used, parsed.origin, verifyNote(note, policyKeys(used)));
}

describe('policies', () => {
  test('are read back as what was written', () => {
    const text = formatPolicy(policy);
    assert.deepEqual(parsePolicy(text), policy);
    assert.match(text, /^group quorum:members 3 a b c d$/m);
  });

  test('hold from the quorum on, and not below', () => {
    for (let signers = 0; signers <= names.length; signers++) {
      const check = () => evaluate(log.checkpoint(log.size, names.slice(0, signers)));
      if (signers >= 3) assert.deepEqual(check(), names.slice(0, signers));
      else rejectsWith(signers === 0 ? 'malformed-note' : 'no-quorum', check);
    }
  });

  test('need a log whose key name is the origin', () => {
    const stranger = signerOf('other.example/log', 0x01, 'stranger').key;
    rejectsWith('unknown-log', () => evaluate(log.checkpoint(), { ...policy, logs: [stranger] }));
    assert.equal(evaluate(log.checkpoint(), { ...policy, logs: [] }).length, 4);
  });

  const vkeys = Object.fromEntries(log.members.map(({ name, cosigner }) => [name, cosigner.key.text]));
  const witnesses = names.map((name) => `witness ${name} ${vkeys[name]}`).join('\n');

  test('take nested groups, any, all, comments, tabs and URLs', () => {
    const text = `# comment\n\n${witnesses} https://w.example/\n\tgroup one any a b\n group two all c d \ngroup both 2 one two\nquorum\tboth\n`;
    const nested = parsePolicy(text);
    assert.deepEqual(evaluate(log.checkpoint(log.size, ['b', 'c', 'd']), nested), ['b', 'c', 'd']);
    rejectsWith('no-quorum', () => evaluate(log.checkpoint(log.size, ['a', 'b', 'c']), nested));
    assert.deepEqual(parsePolicy('quorum none\n').quorum, 'none');
  });

  for (const [name, text] of [
    ['no quorum', `${witnesses}\n`],
    ['two quorums', `${witnesses}\nquorum a\nquorum b\n`],
    ['an unknown quorum', `${witnesses}\nquorum e\n`],
    ['a group before its member', `group g 1 a\n${witnesses}\nquorum g\n`],
    ['a threshold of none', `${witnesses}\ngroup g 0 a\nquorum g\n`],
    ['a threshold above the members', `${witnesses}\ngroup g 3 a b\nquorum g\n`],
    ['an empty group', `${witnesses}\ngroup g any\nquorum g\n`],
    ['a member in two groups', `${witnesses}\ngroup g any a\ngroup h any a\nquorum g\n`],
    ['none in a group', `${witnesses}\ngroup g any none\nquorum g\n`],
    ['a name twice', `${witnesses}\nwitness a ${vkeys['b']}\nquorum a\n`],
    ['a key twice', `${witnesses}\nwitness e ${vkeys['a']}\nquorum a\n`],
    ['a log key as a witness', `witness a ${log.member('a').origin.key.text}\nquorum a\n`],
    ['an unknown word', `${witnesses}\nmirror x\nquorum a\n`],
    ['a control character', `${witnesses}\u0007\nquorum a\n`],
    ['a missing key', 'witness a\nquorum a\n'],
  ] as const) {
    test(`with ${name} are refused`, () => rejectsWith('malformed-policy', () => parsePolicy(text)));
  }
});
