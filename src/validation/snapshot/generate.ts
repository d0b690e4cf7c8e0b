import type { Definition, ElementDefinition } from '../packages/definitions.ts';
import { SnapshotError } from './snapshot-error.ts';

export function generateSnapshot(definition: Definition): readonly ElementDefinition[] {
  throw new SnapshotError('malformed', `no snapshot in ${definition.url}`);
}
