import { serveTask } from './bench-ledger-process.ts';
import { TesseraLog, type TesseraPrograms } from './bench-tessera.ts';

/** Runs a Tessera log and its hammer, first against that log, then against a server of ours; ends both when its parent is gone. */
export interface TesseraTask {
  readonly programs: TesseraPrograms;
  readonly folder: string;
  readonly writers: number;
  readonly seconds: number;
  /** `POST add` writes, `GET` tells how many entries there are. */
  readonly ourUrl: string;
}

export interface TesseraAnswer {
  /** Entries/s in its published checkpoints. */
  readonly tesseraPerSecond: number;
  /** Entries/s at `ourUrl`. */
  readonly ourPerSecond: number;
}

const running: { log?: TesseraLog } = {};

async function hammerBoth({ programs, folder, writers, seconds, ourUrl }: TesseraTask): Promise<TesseraAnswer> {
  const log = new TesseraLog(programs, folder);
  running.log = log;
  await log.start();
  const tesseraPerSecond = await log.hammer(writers, seconds, () => log.size());
  const ourCount = async (): Promise<number> => Number(await (await fetch(ourUrl)).text());
  const ourPerSecond = await log.hammer(writers, seconds, ourCount, ourUrl);
  return { tesseraPerSecond, ourPerSecond };
}

serveTask<TesseraTask>(hammerBoth, async () => running.log?.end());
