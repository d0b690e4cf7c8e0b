import type { LedgerEngine } from './ledger-engine.ts';
import type { Alarm } from './ledger-view.ts';

/** How long a sealed batch may stay unsequenced, as a multiple of the time after which it is sent again. */
const UNSEQUENCED_ROUNDS = 3;
/** How long a peer or the second topic may be silent, and the own replica behind a peer's final size, before it is told. */
const PATIENCE_MS = 30_000;

/** What hinders this member's ledger now. Pure but for reading the engine's state. */
export function engineAlarms(engine: LedgerEngine): Alarm[] {
  return [...topicAlarms(engine), ...livenessAlarms(engine), ...ownAlarms(engine)];
}

function topicAlarms({ reader, drift, cosignatures, options }: LedgerEngine): Alarm[] {
  const alarms: Alarm[] = [];
  const { state, sinceMs, code } = reader.state;
  if (state === 'halted')
    alarms.push({ kind: 'topic-halted', sinceMs, detail: `the topic is not what was read before (${code ?? ''})` });
  if (state === 'unavailable')
    alarms.push({ kind: 'topic-unavailable', sinceMs, detail: `the topic does not answer (${code ?? ''})` });
  if (drift.settings.length > 0)
    alarms.push({ kind: 'topic-drift', sinceMs: drift.sinceMs, detail: drift.settings.join('; ') });
  const { unreadableSinceMs } = cosignatures;
  if (unreadableSinceMs !== undefined && options.clock() - unreadableSinceMs >= PATIENCE_MS) {
    const detail = 'the topic for cosignatures does not answer: only members that reach each other make anything final';
    alarms.push({ kind: 'cosignatures-unavailable', sinceMs: unreadableSinceMs, detail });
  }
  return alarms;
}

function livenessAlarms(engine: LedgerEngine): Alarm[] {
  const { finalMs, parameters, exchange, replica, options } = engine;
  const nowMs = options.clock();
  const alarms: Alarm[] = [];
  if (nowMs - finalMs >= parameters.freezeAfterMs)
    alarms.push({ kind: 'freeze', sinceMs: finalMs, detail: 'no new final checkpoint' });
  for (const { member, sinceMs } of exchange.unreachable())
    if (nowMs - sinceMs >= PATIENCE_MS) alarms.push({ kind: 'peer-unreachable', sinceMs, detail: member });
  if (engine.behindSinceMs !== undefined && nowMs - engine.behindSinceMs >= PATIENCE_MS) {
    const detail = `a peer has a final checkpoint of size ${String(exchange.peerSize)}, the own replica has ${String(replica.head.size)}`;
    alarms.push({ kind: 'behind-peers', sinceMs: engine.behindSinceMs, detail });
  }
  return alarms;
}

function ownAlarms(engine: LedgerEngine): Alarm[] {
  const { signing, parameters, options, restoredBackupMs, storageFault } = engine;
  const alarms: Alarm[] = storageFault === undefined ? [] : [{ kind: 'storage', ...storageFault }];
  if (signing === undefined) return alarms;
  const nowMs = options.clock();
  if (restoredBackupMs !== undefined) {
    const detail = `writer ${signing.writer} has published more than the own outbox knows: run "concordat recover"`;
    alarms.push({ kind: 'restored-backup', sinceMs: restoredBackupMs, detail });
  }
  const waitingMs = signing.sealer.waitingSinceMs;
  if (waitingMs !== undefined && nowMs - waitingMs >= UNSEQUENCED_ROUNDS * parameters.resendAfterMs)
    alarms.push({ kind: 'unsequenced', sinceMs: waitingMs, detail: 'sealed batches are not read back' });
  const member = engine.membership().members.find(({ name }) => name === signing.member);
  if (member?.active !== true)
    alarms.push({ kind: 'suspended', sinceMs: engine.startedMs, detail: 'this member is not active' });
  else if (signing.batchSigner() === undefined) {
    const detail =
      'no configured key is the one in force: see "concordat governance list" and ledger.keys, ledger.nextKeys';
    alarms.push({ kind: 'key-not-in-force', sinceMs: engine.startedMs, detail });
  }
  if (engine.governance.state.closed !== undefined) {
    const detail = 'the members have opened another log: configure its genesis, and this one as ledger.previous';
    alarms.push({ kind: 'log-ended', sinceMs: engine.startedMs, detail });
  }
  return alarms;
}
