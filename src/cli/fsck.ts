import type { Command } from 'commander';
import { pino } from 'pino';
import { loadConfig } from '../config/config.ts';
import type { Config } from '../config/config.ts';
import { encodeHex } from '../ledger/encoding.ts';
import { DirectoryStorage } from '../ledger/directory-storage.ts';
import { fsckLog } from '../ledger/fsck.ts';
import type { FsckReport } from '../ledger/fsck.ts';
import { fsckStored } from '../ledger/fsck-stored.ts';
import { ledgerFolder } from '../ledger/ledger-folder.ts';
import type { LogSource } from '../ledger/log-source.ts';
import { formatTilePath } from '../ledger/tile.ts';
import { CommandError } from './command-error.ts';
import { get } from './gateway-client.ts';
import { print, printJson } from './print.ts';
import { readInput } from './read-input.ts';
import { runAction } from './run-action.ts';

interface FsckOptions {
  readonly config?: string;
  readonly topic?: boolean;
  readonly ledger?: string;
  readonly data?: string;
  readonly genesis?: string;
  readonly json?: boolean;
}

/** `concordat fsck`: checks a whole log from its genesis, stored or served. */
export function fsckCommand(program: Command): void {
  program
    .command('fsck')
    .description('check a whole log from its genesis: a stored replica, or one that a member serves')
    .option('--config <file>', "the stored replica of a gateway's configuration, also while it runs")
    .option('--topic', 'with --config: also compare with the topic')
    .option('--data <folder>', 'a stored replica: the folder `ledger` of a data folder')
    .option('--ledger <url>', "a member's ledger, e.g. http://127.0.0.1:8080/ledger")
    .option('--genesis <file>', 'genesis file; needed with --data and --ledger')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExit codes: 0 whole, 1 damaged (the first bad index is named), 2 unreadable, 3 no final checkpoint yet, 4 not reachable.',
    )
    .action(
      runAction(async (options: FsckOptions) => {
        const report = await check(options);
        if (options.json === true) printJson({ whole: report.findings.length === 0, ...report });
        else reportText(report).forEach(print);
        if (report.findings.length === 0) return 0;
        return lacksOnlyCheckpoint(report) ? 3 : 1;
      }),
    );
}

async function check(options: FsckOptions): Promise<FsckReport> {
  if ([options.config, options.data, options.ledger].filter((one) => one !== undefined).length !== 1) {
    throw new CommandError('usage', 'give one of --config, --data and --ledger');
  }
  const onProgress = progressLine();
  if (options.config !== undefined) {
    const config = loadConfig(options.config);
    const genesis = readInput(config.ledger.genesis);
    return options.topic === true
      ? checkWithTopic(config, genesis, onProgress)
      : checkFolder(ledgerFolder(config.dataDir, genesis), genesis, onProgress);
  }
  if (options.genesis === undefined) throw new CommandError('usage', '--data and --ledger need --genesis');
  const genesis = readInput(options.genesis);
  if (options.data !== undefined) return checkFolder(options.data, genesis, onProgress);
  return fsckLog({ source: servedLog((options.ledger ?? '').replace(/\/+$/, '')), genesis, onProgress });
}

type OnProgress = (checked: number, size: number) => void;

async function checkFolder(folder: string, genesis: Uint8Array, onProgress: OnProgress): Promise<FsckReport> {
  const storage = new DirectoryStorage(folder, { readOnly: true });
  try {
    return await fsckStored({ storage, genesis, onProgress });
  } finally {
    storage.close();
  }
}

async function checkWithTopic(config: Config, genesis: Uint8Array, onProgress: OnProgress): Promise<FsckReport> {
  const { openTopic } = await import('../main/open-topic.ts');
  const topic = openTopic(config.ledger.topic, pino({ level: 'silent' }));
  const storage = new DirectoryStorage(ledgerFolder(config.dataDir, genesis), { readOnly: true });
  try {
    await topic.connect();
    return await fsckStored({ storage, genesis, topic, onProgress });
  } finally {
    storage.close();
    await topic.close();
  }
}

/** A log over HTTP: what is not there is undefined, what is not reachable ends the command. */
function servedLog(url: string): LogSource {
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    const response = await get(`${url}/${path}`);
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw new CommandError('not-reachable', `the ledger answered ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  };
  return {
    checkpoint: () => read('checkpoint'),
    tile: (level, index, width) => read(formatTilePath({ level, index, width })),
    entryBundle: (index, width) => read(formatTilePath({ level: 'entries', index, width })),
    blob: (hash) => read(`blob/${encodeHex(hash)}`),
  };
}

/** Shows on a terminal how far it is; long logs take minutes. */
function progressLine(): OnProgress {
  return (checked, size) => {
    if (process.stderr.isTTY) process.stderr.write(checked === size ? '\r\u001b[K' : `\r${checked} of ${size} leaves`);
  };
}

/** A log that has just begun: its leaves are as they must be, and nothing is final yet. */
function lacksOnlyCheckpoint({ findings }: FsckReport): boolean {
  return findings.every(({ fault, detail }) => fault === 'checkpoint' && detail === 'there is no checkpoint');
}

function reportText(report: FsckReport): string[] {
  const { size, events, findings, prunedBodies, refused } = report;
  if (findings.length > 0 && lacksOnlyCheckpoint(report))
    return [`no final checkpoint yet; nothing else is wrong with its ${size} leaves`];
  return [
    findings.length === 0
      ? `whole: ${size} leaves, ${events} events`
      : `DAMAGED, first at leaf ${findings[0]?.leafIndex ?? 0}; ${size} leaves were checked`,
    ...findings.map(({ fault, leafIndex, detail }) => `  leaf ${leafIndex}: ${fault}: ${detail}`),
    ...(prunedBodies === 0 ? [] : [`${prunedBodies} bodies are no longer kept; their headers were checked`]),
    ...refused.map(({ leafIndex, verdict }) => `  leaf ${leafIndex} was refused by every member: ${verdict}`),
  ];
}
