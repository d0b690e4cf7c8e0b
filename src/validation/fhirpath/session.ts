import type { FhirPathEnvironment } from './environment.ts';
import type { TypeModel } from './type-model.ts';
import type { Item } from './values.ts';

/** What one evaluation works with. Made for each call, so that compiled expressions are reentrant. */
export interface Session {
  readonly model: TypeModel;
  readonly environment: FhirPathEnvironment;
  /** `%context`, boxed. */
  readonly context: Item;
  /** Further variables by name, boxed; only the suite's runner has any. */
  readonly variables?: ReadonlyMap<string, readonly Item[]> | undefined;
}
