import { PATIENT_COMPARTMENT_PATHS } from '../fhir/compartment-paths.ts';
import type { RecordEntity } from './exchange-record.ts';
import type { RecordQueries } from './record-queries.ts';

/** Earlier records of one resource that are opened to learn whose it is. */
const RECORDS_LOOKED_AT = 5;
/** Entities of one exchange that are looked up; a delete or a refused read has one. */
const ENTITIES_LOOKED_UP = 20;

/**
 * Fills in whose a resource is where the exchange itself did not show it (a delete, a refused or failed read): as the last records of that resource say.
 * So such an exchange stands in the Patient's own accounting, and goes with the Patient's key.
 */
export function withSeenPatients(entities: readonly RecordEntity[], queries: RecordQueries): readonly RecordEntity[] {
  let left = ENTITIES_LOOKED_UP;
  return entities.map((entity) => {
    const isBlind = entity.patients.length === 0 && entity.stored === undefined && entity.id !== undefined;
    if (!isBlind || !Object.hasOwn(PATIENT_COMPARTMENT_PATHS, entity.type) || left-- <= 0) return entity;
    const patients = seenPatients(entity, queries);
    return patients.length === 0 ? entity : { ...entity, patients };
  });
}

function seenPatients({ upstream, type, id }: RecordEntity, queries: RecordQueries): readonly string[] {
  if (id === undefined) return [];
  const filter = { index: [[{ field: 'resource' as const, upstream, type, id }]], newestFirst: true };
  for (const { sequence } of queries.find(filter, RECORDS_LOOKED_AT)) {
    const known = queries
      .open(sequence)
      ?.entities.find(
        (one) => one.upstream === upstream && one.type === type && one.id === id && one.patients.length > 0,
      );
    if (known !== undefined) return known.patients;
  }
  return [];
}
