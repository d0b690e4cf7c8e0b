import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { decodeBase64, encodeHex } from '../ledger/encoding.ts';
import { buildGenesis, genesisHash, parseMember, type Member } from '../ledger/genesis.ts';
import { acceptanceText } from '../ledger/governance-record.ts';
import { versionAtLeaf } from '../ledger/governance-state.ts';
import { parseNote, verifyNote } from '../ledger/note.ts';
import { CommandError } from './command-error.ts';
import { endOfLog } from './epoch-assent.ts';
import { readMemberFile } from './member-file.ts';
import { print, printJson } from './print.ts';
import { runAction } from './run-action.ts';
import { withStoredLedger } from './stored-ledger.ts';

interface NextGenesisOptions {
  readonly config: string;
  readonly origin: string;
  readonly memberFile: readonly string[];
  readonly out: string;
  readonly json?: boolean;
}

/** `concordat governance next-genesis`: the genesis file of a log that goes on from this one's last final checkpoint. */
export function nextGenesisCommand(governance: Command): void {
  governance
    .command('next-genesis')
    .description(
      'make the genesis file of the log that goes on from this one, from the own replica and the member files of its members',
    )
    .requiredOption('--config <file>', "this member's configuration of the log that ends")
    .requiredOption('--origin <name>', 'name of the new log')
    .requiredOption(
      '--member-file <file...>',
      'made by each of its members by `governance accept --origin` of the new log',
    )
    .requiredOption('--out <file>', 'where the genesis file goes')
    .option('--json', 'for programs')
    .action(
      runAction(async (options: NextGenesisOptions) => {
        const members = options.memberFile.map((file) => acceptedMember(file, options.origin));
        const genesis = withStoredLedger(loadConfig(options.config), (stored) => {
          const end = endOfLog(stored);
          const { quorum, parameters, ruleSets } = versionAtLeaf(stored.governance, end.size);
          const names = new Set(members.map(({ name }) => name));
          const chains = new Map([...end.chains].filter(([chain]) => names.has(chain.split('/')[0] ?? '')));
          const ruleSet = ruleSets.at(-1)?.digest ?? '';
          const previous = { ...end, chains };
          return {
            previous,
            bytes: buildGenesis({ origin: options.origin, members, quorum, parameters, ruleSet, previous }),
          };
        });
        writeFileSync(options.out, genesis.bytes, { flag: 'wx' });
        const { size } = genesis.previous;
        const hash = encodeHex(genesisHash(genesis.bytes));
        if (options.json === true)
          printJson({ genesis: options.out, hash, origin: options.origin, previous: genesis.previous.origin, size });
        else {
          print(`${options.out}: ${options.origin} goes on from ${genesis.previous.origin} at size ${size}`);
          print(`genesis: ${hash}`);
        }
      }),
    );
}

/** A member that has said, with its own keys, that it joins this log. */
function acceptedMember(file: string, origin: string): Member {
  const { member: json, acceptance } = readMemberFile(file);
  const member = parseMember(json, origin);
  const note = parseNote(decodeBase64(typeof acceptance === 'string' ? acceptance : ''));
  const keys = [member.batchKey, member.originKey];
  if (note.text !== acceptanceText(origin, member) || verifyNote(note, keys).length < keys.length)
    throw new CommandError('false', `${file}: is not the member’s own acceptance of ${origin}`);
  return member;
}
