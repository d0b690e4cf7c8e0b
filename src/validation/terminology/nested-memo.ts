/** A bounded memo over several keys, each compared as it is: no joining of texts that instances choose, so no two questions can be taken for one. */
export class NestedMemo<T> {
  private readonly root = new Map<unknown, unknown>();
  private readonly limit: number;
  private size = 0;

  /** @param limit entries after which it starts anew */
  constructor(limit: number) {
    this.limit = limit;
  }

  get(first: unknown, second: unknown, third: unknown, fourth: unknown): T | undefined {
    return inner(inner(inner(this.root.get(first), second), third), fourth) as T | undefined;
  }

  set(first: unknown, second: unknown, third: unknown, fourth: unknown, value: T): void {
    if (this.size >= this.limit) {
      this.root.clear();
      this.size = 0;
    }
    this.size++;
    below(below(below(this.root, first), second), third).set(fourth, value);
  }
}

function inner(map: unknown, key: unknown): unknown {
  return map === undefined ? undefined : (map as Map<unknown, unknown>).get(key);
}

function below(map: Map<unknown, unknown>, key: unknown): Map<unknown, unknown> {
  let found = map.get(key) as Map<unknown, unknown> | undefined;
  if (found === undefined) map.set(key, (found = new Map<unknown, unknown>()));
  return found;
}
