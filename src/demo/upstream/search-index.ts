import { searchValues } from './search-values.ts';
import type { SearchValues } from './search-values.ts';
import type { ParsedResources, StoredVersion, VersionStore } from './version-store.ts';

type Postings = Map<string, Set<string>>;

/**
 * Values of search parameters, computed once per version, and for references and tokens a lookup from value to the resources that have it.
 * A lookup is made the first time that its parameter is searched by, and follows every change from then on.
 */
export class SearchIndex {
  readonly #store: VersionStore;
  readonly #parsed: ParsedResources;
  readonly #values = new WeakMap<StoredVersion, Map<string, SearchValues>>();
  readonly #postings = new Map<string, Map<string, Postings>>();

  constructor(store: VersionStore, parsed: ParsedResources) {
    this.#store = store;
    this.#parsed = parsed;
    store.onChange((type, before, after) => this.#follow(type, before, after));
  }

  values(version: StoredVersion, name: string): SearchValues {
    let ofVersion = this.#values.get(version);
    if (ofVersion === undefined) this.#values.set(version, (ofVersion = new Map<string, SearchValues>()));
    let values = ofVersion.get(name);
    if (values === undefined) ofVersion.set(name, (values = searchValues(this.#parsed.of(version), name)));
    return values;
  }

  /**
   * Current versions of a type whose parameter has the value, in no order.
   * @param key `Type/id` for a reference; a code, with or without `system|`, for a token
   */
  lookup(type: string, name: string, key: string): StoredVersion[] {
    const ids = this.#postingsOf(type, name).get(key) ?? [];
    return [...ids].flatMap((id) => {
      const version = this.#store.current(type, id);
      return version?.text === undefined ? [] : [version];
    });
  }

  #postingsOf(type: string, name: string): Postings {
    let ofType = this.#postings.get(type);
    if (ofType === undefined) this.#postings.set(type, (ofType = new Map<string, Postings>()));
    let postings = ofType.get(name);
    if (postings === undefined) {
      ofType.set(name, (postings = new Map<string, Set<string>>()));
      for (const version of this.#store.live(type)) this.#post(postings, version, name);
    }
    return postings;
  }

  #follow(type: string, before: StoredVersion | undefined, after: StoredVersion | undefined): void {
    for (const [name, postings] of this.#postings.get(type) ?? []) {
      if (before?.text !== undefined)
        for (const key of keysOf(this.values(before, name))) postings.get(key)?.delete(before.id);
      if (after?.text !== undefined) this.#post(postings, after, name);
    }
  }

  #post(postings: Postings, version: StoredVersion, name: string): void {
    for (const key of keysOf(this.values(version, name))) {
      const ids = postings.get(key);
      if (ids === undefined) postings.set(key, new Set([version.id]));
      else ids.add(version.id);
    }
  }
}

function keysOf(values: SearchValues): string[] {
  const tokens = values.tokens.flatMap(({ system, code }) =>
    code === undefined ? [] : [code, `${system ?? ''}|${code}`],
  );
  return [...values.references.map((reference) => reference.target), ...tokens];
}
