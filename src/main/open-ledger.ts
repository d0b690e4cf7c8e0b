import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { createPeerClient } from '../gateway/peer-client.ts';
import { createWitnessClient } from '../gateway/witness-client.ts';
import { errorCode } from '../ledger/error-code.ts';
import { ledgerFolder } from '../ledger/ledger-folder.ts';
import { openLedgerNode, publishGenesis } from '../ledger/ledger-node.ts';
import type { LedgerNodeHandle, MemberKeys } from '../ledger/ledger-options.ts';
import type { PeerClient } from '../ledger/peer.ts';
import { TransportError, type Topic } from '../ledger/transport.ts';
import type { ExchangeRecorder } from '../provenance/recorder.ts';
import type { OpenedLogs } from './open-logs.ts';
import { openTopic } from './open-topic.ts';

/** Clients of the other members' ledgers, in the order of the configuration. @param signal ends what they have under way */
export function openPeers({ ledger }: Config, signal?: AbortSignal): PeerClient[] {
  return ledger.peers.map((peer) => createPeerClient({ ...peer, signal }));
}

/** The ledger of a gateway; nothing is read or signed before `startLedger`. @throws {LedgerError} configuration | damaged */
export function openLedger(
  config: Config,
  logger: Logger,
  parts: { readonly recorder: ExchangeRecorder; readonly topic: Topic; readonly logs: OpenedLogs },
  closers: (() => Promise<void> | void)[],
): LedgerNodeHandle {
  const { ledger } = config;
  const { recorder, topic, logs } = parts;
  const cosignatureTopic = openTopic(ledger.cosignatureTopic, logger, 'cosignatures');
  closers.push(() => cosignatureTopic.close());
  // A member that answers nothing would else keep this process for as long as all that is asked of it may take.
  const stop = new AbortController();
  const { signal } = stop;
  const node = openLedgerNode({
    genesis: logs.genesis,
    past: logs.past.map(({ view }) => view),
    member: config.member,
    writer: config.writer,
    keys: memberKeys(ledger.keys),
    ...(ledger.nextKeys !== undefined && { nextKeys: memberKeys(ledger.nextKeys) }),
    cosigns: ledger.cosign,
    sealStore: recorder.outbox,
    topic,
    cosignatureTopic,
    peers: openPeers(config, signal),
    witnesses: ledger.witnesses.map((witness) => createWitnessClient({ ...witness, signal })),
    dataDir: ledgerFolder(config.dataDir, logs.genesis),
    parameters: ledger.parameters,
    clock: Date.now,
    random: (length) => new Uint8Array(randomBytes(length)),
    log: logger,
  });
  closers.push(() => {
    stop.abort();
    return node.close();
  });
  return node;
}

function memberKeys({ batch, origin, cosigner }: Config['ledger']['keys']): MemberKeys {
  return { batch: batch.reveal(), origin: origin.reveal(), cosigner: cosigner.reveal() };
}

const TOPIC_WAIT_MS = 20_000;
const TOPIC_RETRY_MS = 2_000;

/**
 * Starts the ledger; while the topic cannot be reached the gateway goes on without it, because events queue durably until it can.
 * @throws {AppError} what waiting cannot mend: another genesis, a damaged replica
 */
export async function startLedger(
  ledger: LedgerNodeHandle,
  topic: Topic,
  logger: Logger,
  closers: (() => Promise<void> | void)[],
): Promise<void> {
  const stop = new AbortController();
  let isStarted = false;
  const started = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        await topic.connect();
        await publishGenesis(topic, ledger.view.genesisBytes());
        await ledger.start();
        isStarted = true;
        return;
      } catch (error) {
        if (stop.signal.aborted) return;
        if (!(error instanceof TransportError) || !['unavailable', 'outcome-unknown'].includes(error.code)) throw error;
        logger.warn({ code: error.code }, 'the ledger topic cannot be reached; events wait in the outbox');
        await delay(TOPIC_RETRY_MS, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  })();
  closers.push(async () => {
    stop.abort();
    // Nothing is on its way yet, and connecting may take longer than anybody waits for a process to stop.
    if (!isStarted) await topic.close();
    await started.catch(() => undefined);
  });
  started.catch((error: unknown) => logger.fatal({ code: errorCode(error) }, 'the ledger cannot start'));
  await Promise.race([started, delay(TOPIC_WAIT_MS, undefined, { ref: false })]);
}
