import { setTimeout as delay } from 'node:timers/promises';
import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { createPeerClient } from '../gateway/peer-client.ts';
import type { Alarm } from '../gateway/parts.ts';
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
import { topicReason } from './topic-reason.ts';

/** Clients of the other members' ledgers, in the order of the configuration. @param signal ends what they have under way */
export function openPeers({ ledger }: Config, signal?: AbortSignal): PeerClient[] {
  return ledger.peers.map((peer) => createPeerClient({ ...peer, signal }));
}

/** The ledger of a gateway; nothing is read or signed before `LedgerStart`. @throws {LedgerError} configuration | damaged */
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

/** Brings a ledger up; while its topic cannot be reached the gateway goes on without it, because events queue durably until it can. */
export class LedgerStart {
  readonly #ledger: LedgerNodeHandle;
  readonly #topic: Topic;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #isStarted = false;
  #alarm: Alarm | undefined;

  constructor(parts: { readonly ledger: LedgerNodeHandle; readonly topic: Topic; readonly logger: Logger }) {
    this.#ledger = parts.ledger;
    this.#topic = parts.topic;
    this.#logger = parts.logger;
  }

  /** What keeps the ledger from starting; undefined before the first attempt failed, and once it has started. */
  get alarm(): Alarm | undefined {
    return this.#alarm;
  }

  /**
   * Settles when the ledger has started, or after 20 s while it goes on trying.
   * @throws {AppError} what waiting cannot mend: another genesis, a damaged replica; after the 20 s it is logged, and an alarm
   */
  async run(closers: (() => Promise<void> | void)[]): Promise<void> {
    const started = this.#start();
    closers.push(async () => {
      this.#stop.abort();
      // Nothing is on its way yet, and connecting may take longer than anybody waits for a process to stop.
      if (!this.#isStarted) await this.#topic.close();
      await started.catch(() => undefined);
    });
    started.catch((error: unknown) => {
      this.#alarm = { kind: 'ledger-stopped', text: `the ledger cannot start (${errorCode(error)})` };
      this.#logger.fatal({ code: errorCode(error) }, 'the ledger cannot start');
    });
    await Promise.race([started, delay(TOPIC_WAIT_MS, undefined, { ref: false })]);
  }

  async #start(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#topic.connect();
        await publishGenesis(this.#topic, this.#ledger.view.genesisBytes());
        await this.#ledger.start();
        this.#isStarted = true;
        this.#alarm = undefined;
        return;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (!(error instanceof TransportError) || !['unavailable', 'outcome-unknown'].includes(error.code)) throw error;
        const reason = topicReason(error);
        this.#alarm = { kind: 'topic-unavailable', text: `the topic cannot be reached (${reason})` };
        this.#logger.warn(
          { code: error.code, reason },
          'the ledger topic cannot be reached; events wait in the outbox',
        );
        await delay(TOPIC_RETRY_MS, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
  }
}
