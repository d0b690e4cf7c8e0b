import type { Resource } from '@medplum/fhirtypes';
import { Journal } from './journal.ts';

/** One version of one resource, as it was answered and will be answered again. */
export interface StoredVersion {
  readonly type: string;
  readonly id: string;
  readonly versionId: number;
  /** FHIR instant, UTC, milliseconds; never before that of an earlier version in this store. */
  readonly lastUpdated: string;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  /** Whether the resource was not there before this version. */
  readonly created: boolean;
  /** JSON text of the resource, `undefined` for a deletion. */
  readonly text: string | undefined;
}

/** Told of each change of what is current, so that indexes can follow; also when a change is taken back. */
export type ChangeListener = (
  type: string,
  before: StoredVersion | undefined,
  after: StoredVersion | undefined,
) => void;

interface Undo {
  readonly type: string;
  readonly id: string;
}

/** All versions of all resources, in memory, behind a journal. */
export class VersionStore {
  readonly #byType = new Map<string, Map<string, StoredVersion[]>>();
  readonly #log: StoredVersion[] = [];
  readonly #listeners: ChangeListener[] = [];
  readonly #journal: Journal;
  readonly #clock: () => number;
  #lastMs = 0;
  #staged: Undo[] | undefined;

  /** @throws {JournalError} corrupt */
  constructor(file: string, clock: () => number) {
    this.#clock = clock;
    this.#journal = Journal.open(file, (payload) => this.#load(payload));
  }

  /** The newest version, which may be a deletion. */
  current(type: string, id: string): StoredVersion | undefined {
    return this.#byType.get(type)?.get(id)?.at(-1);
  }

  /** Oldest first. */
  versions(type: string, id: string): readonly StoredVersion[] {
    return this.#byType.get(type)?.get(id) ?? [];
  }

  /** Every version of every resource, or of a type, oldest first. */
  log(type?: string): readonly StoredVersion[] {
    return type === undefined ? this.#log : this.#log.filter((version) => version.type === type);
  }

  /** Current versions of a type that are no deletions, in order of first creation. */
  *live(type: string): Iterable<StoredVersion> {
    for (const versions of this.#byType.get(type)?.values() ?? []) {
      const newest = versions.at(-1);
      if (newest?.text !== undefined) yield newest;
    }
  }

  types(): readonly string[] {
    return [...this.#byType.keys()];
  }

  onChange(listener: ChangeListener): void {
    this.#listeners.push(listener);
  }

  /** The version number and time that the next version of a resource gets. */
  next(type: string, id: string): { readonly versionId: number; readonly lastUpdated: string } {
    this.#lastMs = Math.max(this.#lastMs, this.#clock());
    return {
      versionId: (this.current(type, id)?.versionId ?? 0) + 1,
      lastUpdated: new Date(this.#lastMs).toISOString(),
    };
  }

  /** Adds a version. Only inside `atomically`. */
  add(version: StoredVersion): void {
    if (this.#staged === undefined) throw new Error('a version is added inside atomically');
    this.#staged.push({ type: version.type, id: version.id });
    this.#apply(version);
  }

  /**
   * Runs a piece of work whose versions stay all or not at all: they go into the journal as one block, and are taken back when the work or the journal fails.
   * The work must not wait for anything outside memory: what it added can be read meanwhile. A crash before the block is whole leaves nothing of it.
   */
  async atomically<T>(work: () => Promise<T>, keep: (result: T) => boolean = () => true): Promise<T> {
    if (this.#staged !== undefined) return work();
    this.#staged = [];
    const logLength = this.#log.length;
    try {
      const result = await work();
      if (keep(result)) {
        if (this.#log.length > logLength) this.#journal.append(this.#log.slice(logLength).map(encode).join('\n'));
      } else this.#takeBack(logLength);
      return result;
    } catch (error) {
      this.#takeBack(logLength);
      throw error;
    } finally {
      this.#staged = undefined;
    }
  }

  flush(): Promise<void> {
    return this.#journal.flush();
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  #apply(version: StoredVersion): void {
    const before = this.current(version.type, version.id);
    let ofType = this.#byType.get(version.type);
    if (ofType === undefined) this.#byType.set(version.type, (ofType = new Map<string, StoredVersion[]>()));
    const versions = ofType.get(version.id);
    if (versions === undefined) ofType.set(version.id, [version]);
    else versions.push(version);
    this.#log.push(version);
    for (const listener of this.#listeners) listener(version.type, before, version);
  }

  #takeBack(logLength: number): void {
    this.#log.length = Math.min(this.#log.length, logLength);
    for (const { type, id } of (this.#staged ?? []).reverse()) {
      const versions = this.#byType.get(type)?.get(id);
      const undone = versions?.pop();
      if (versions?.length === 0) this.#byType.get(type)?.delete(id);
      for (const listener of this.#listeners) listener(type, undone, versions?.at(-1));
    }
  }

  #load(payload: string): void {
    const lines = payload.split('\n');
    for (let at = 0; at + 1 < lines.length; at += 2) {
      const [method, type, id, versionId, lastUpdated, created] = (lines[at] ?? '').split(' ');
      if (type === undefined || id === undefined || lastUpdated === undefined) continue;
      const text = lines[at + 1];
      this.#lastMs = Math.max(this.#lastMs, Date.parse(lastUpdated));
      this.#apply({
        type,
        id,
        versionId: Number(versionId),
        lastUpdated,
        method: method === 'POST' || method === 'DELETE' ? method : 'PUT',
        created: created === 'created',
        text: text === '' ? undefined : text,
      });
    }
  }
}

/** Two lines: what happened, and the resource (JSON text without line ends) or nothing. */
function encode(version: StoredVersion): string {
  const { method, type, id, versionId, lastUpdated, created, text } = version;
  return `${method} ${type} ${id} ${versionId} ${lastUpdated} ${created ? 'created' : 'changed'}\n${text ?? ''}`;
}

/** Parses a version's text; the parsed object is kept as long as the version is. */
export class ParsedResources {
  readonly #parsed = new WeakMap<StoredVersion, Resource>();
  readonly #versions = new WeakMap<object, StoredVersion>();

  of(version: StoredVersion): Resource {
    let resource = this.#parsed.get(version);
    if (resource === undefined) {
      resource = JSON.parse(version.text ?? 'null') as Resource;
      this.#parsed.set(version, resource);
      this.#versions.set(resource, version);
    }
    return resource;
  }

  /** The version that an object handed out by `of` is the content of. */
  versionOf(resource: object): StoredVersion | undefined {
    return this.#versions.get(resource);
  }
}
