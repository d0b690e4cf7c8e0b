import type { LedgerStorage, StateStore } from './storage.ts';

/**
 * The storage as it is at one moment, although a gateway may be writing to it: the state is read by one statement, files only grow, and those that are opened
 * now are still read when the gateway has removed them.
 */
export function asOfNow(storage: LedgerStorage): LedgerStorage {
  const rows = storage.state.scan('');
  const files = new Map(storage.fileNames().map((name) => [name, storage.file(name)]));
  const state: StateStore = {
    get: (key) => rows.find((row) => row.key === key)?.value,
    scan: (prefix, { from = prefix, limit, reverse = false } = {}) => {
      const found = rows.filter(({ key }) => key.startsWith(prefix) && key >= from);
      return (reverse ? found.toReversed() : found).slice(0, limit);
    },
    commit: () => {},
  };
  return {
    state,
    file: (name) => files.get(name) ?? storage.file(name),
    hasFile: (name) => files.has(name) || storage.hasFile(name),
    fileNames: () => storage.fileNames(),
    remove: () => {},
    close: () => {},
  };
}
