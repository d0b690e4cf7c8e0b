import type { ExchangeIntent, RecordEntity } from './exchange-record.ts';
import type { OpenIntent } from './intent-store.ts';
import type { UpstreamHistory, UpstreamVersion } from './reconciler.ts';

/**
 * What was found for one intent. `found`: all that it wrote; `absent`: none of it; `ambiguous`: nobody can tell; `blind`: the upstream offers no way
 * to look; `unreachable`: it must be asked again.
 */
export interface Claim {
  readonly open: OpenIntent;
  readonly state: 'found' | 'absent' | 'ambiguous' | 'blind' | 'unreachable';
  /** By the index of the intent's entity. */
  readonly found: readonly (UpstreamVersion | undefined)[];
}

export interface ClaimOptions {
  readonly history: UpstreamHistory;
  /** Whether a record already has this version as written through here. */
  readonly isRecorded: (upstream: string, version: UpstreamVersion) => boolean;
  readonly underWay: ReadonlyMap<string, ExchangeIntent>;
  readonly skewMs: number;
  readonly onError?: (error: unknown) => void;
}

/** One thing that an intent wanted to write. */
interface Wish {
  readonly owner: OpenIntent;
  readonly index: number;
  readonly entity: RecordEntity;
  /** Wishes with the same key cannot be told apart by what the upstream holds. */
  readonly key: string;
}

type Look = readonly UpstreamVersion[] | 'blind' | 'unreachable';

/** Gives each version that the upstreams hold to at most one intent. Where there are not exactly as many as claim it, nobody can tell. */
export async function claimVersions(intents: readonly OpenIntent[], options: ClaimOptions): Promise<Claim[]> {
  const wishes = intents.flatMap((owner) =>
    owner.intent.entities.map((entity, index): Wish => ({ owner, index, entity, key: wishKey(entity) })),
  );
  const looks = await lookAll(wishes, options);
  const contested = new Set([...options.underWay.values()].flatMap((intent) => intent.entities.map(wishKey)));
  const given = new Map<Wish, UpstreamVersion | 'ambiguous'>();
  for (const group of Map.groupBy(wishes, (wish) => wish.key).values()) {
    const look = looks.get(lookKey((group[0] as Wish).entity));
    if (look === undefined || typeof look === 'string') continue;
    const candidates = candidatesOf(group, look, options);
    // An exchange that is under way with the same content may own one of them: it is left to be recorded first.
    const isContested = contested.has((group[0] as Wish).key);
    // Of several deletes of one resource the first makes a version and the others change nothing, so too few is no riddle there.
    const isDelete = (group[0] as Wish).entity.interaction === 'delete';
    const isEven = candidates.length === group.length || (isDelete && candidates.length < group.length);
    group.forEach((wish, place) => {
      const version = candidates[place];
      if (isEven && !isContested) {
        if (version !== undefined) given.set(wish, version);
      } else if (candidates.length > 0 || isContested) given.set(wish, 'ambiguous');
    });
  }
  return intents.map((open) => judge(open, wishes, looks, given));
}

function judge(
  open: OpenIntent,
  wishes: readonly Wish[],
  looks: ReadonlyMap<string, Look>,
  given: ReadonlyMap<Wish, UpstreamVersion | 'ambiguous'>,
): Claim {
  const own = wishes.filter((wish) => wish.owner === open);
  const found = own.map((wish) => {
    const version = given.get(wish);
    return version === 'ambiguous' ? undefined : version;
  });
  const lookStates = own.map((wish) => looks.get(lookKey(wish.entity)));
  const state = ((): Claim['state'] => {
    // Nothing is known of what it wanted to write (a conditional delete): no way to look.
    if (own.length === 0) return 'blind';
    if (lookStates.includes('unreachable')) return 'unreachable';
    if (lookStates.includes('blind')) return 'blind';
    if (own.some((wish) => given.get(wish) === 'ambiguous')) return 'ambiguous';
    const count = found.filter((version) => version !== undefined).length;
    if (count === 0) return 'absent';
    // A transaction is all or nothing; the entries of a batch stand each for itself.
    return count === own.length || open.intent.interaction === 'batch' ? 'found' : 'ambiguous';
  })();
  return { open, state, found };
}

function candidatesOf(
  group: readonly Wish[],
  look: readonly UpstreamVersion[],
  options: ClaimOptions,
): UpstreamVersion[] {
  const { entity } = group[0] as Wish;
  const sinceMs = Math.min(...group.map((wish) => wish.owner.startedMs)) - options.skewMs;
  return look
    .filter((version) => version.lastUpdatedMs >= sinceMs && isMatch(entity, version))
    .filter((version) => !options.isRecorded(entity.upstream, version))
    .sort((a, b) => a.lastUpdatedMs - b.lastUpdatedMs);
}

function isMatch(entity: RecordEntity, version: UpstreamVersion): boolean {
  if (entity.id !== undefined && version.id !== entity.id) return false;
  if (entity.interaction === 'delete') return version.deleted;
  if (version.deleted) return false;
  if (entity.match !== undefined) return version.match === entity.match;
  return entity.sent !== undefined && version.sentForm === entity.sent.f1;
}

function wishKey(entity: RecordEntity): string {
  const content = entity.interaction === 'delete' ? 'delete' : (entity.match ?? entity.sent?.f1 ?? '');
  return `${entity.upstream}/${entity.type}/${entity.id ?? ''} ${content}`;
}

function lookKey(entity: RecordEntity): string {
  return `${entity.upstream}/${entity.type}/${entity.id ?? ''}`;
}

async function lookAll(wishes: readonly Wish[], options: ClaimOptions): Promise<Map<string, Look>> {
  const looks = new Map<string, Look>();
  for (const [key, group] of Map.groupBy(wishes, (wish) => lookKey(wish.entity))) {
    const { upstream, type, id } = (group[0] as Wish).entity;
    const sinceMs = Math.min(...group.map((wish) => wish.owner.startedMs)) - options.skewMs;
    try {
      looks.set(key, (await options.history.versionsSince({ upstream, type, id, sinceMs })) ?? 'blind');
    } catch (error) {
      options.onError?.(error);
      looks.set(key, 'unreachable');
    }
  }
  return looks;
}
