/** What a broker says of a topic, as far as the ledger's promises depend on it. */
export interface TopicFacts {
  readonly partitions: number;
  readonly replicas: number;
  readonly insyncReplicas: number;
  readonly settings: ReadonlyMap<string, string>;
}

/**
 * Settings under which the broker may lose, alter or reorder what it acknowledged, each as `setting: found, wanted` (design/ledger
 * "Transport"). Empty when all is as it must be. A drift is an alarm, not a stop: the replica notices what really goes wrong.
 */
export function topicDrift(
  facts: TopicFacts,
  wanted: { replicas: number; insyncReplicas: number; retentionMs: number },
): string[] {
  const drift: string[] = [];
  const want = (name: string, found: string, needed: string, holds: boolean): void => {
    if (!holds) drift.push(`${name}: ${found}, wanted ${needed}`);
  };
  const setting = (name: string): string => facts.settings.get(name) ?? 'unknown';
  want('partitions', String(facts.partitions), '1', facts.partitions === 1);
  want('replicas', String(facts.replicas), String(wanted.replicas), facts.replicas >= wanted.replicas);
  want(
    'in-sync replicas',
    String(facts.insyncReplicas),
    String(facts.replicas),
    facts.insyncReplicas >= facts.replicas,
  );
  for (const [name, needed] of [
    ['cleanup.policy', 'delete'],
    ['retention.ms', String(wanted.retentionMs)],
    ['retention.bytes', '-1'],
    ['unclean.leader.election.enable', 'false'],
    ['message.timestamp.type', 'LogAppendTime'],
  ] as const) {
    want(name, setting(name), needed, setting(name) === needed);
  }
  const insync = setting('min.insync.replicas');
  want('min.insync.replicas', insync, String(wanted.insyncReplicas), Number(insync) >= wanted.insyncReplicas);
  want(
    'compression.type',
    setting('compression.type'),
    'producer',
    ['producer', 'uncompressed'].includes(setting('compression.type')),
  );
  return drift;
}
