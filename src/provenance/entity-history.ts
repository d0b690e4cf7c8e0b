import { PATIENT_COMPARTMENT_PATHS } from '../fhir/compartment-paths.ts';
import type { RecordEntity } from './exchange-record.ts';
import type { RecordQueries } from './record-queries.ts';

/** Earlier records of one resource that are opened to learn whose it is. */
const RECORDS_LOOKED_AT = 5;
/** Entities of one exchange that are looked up; a delete or a refused read has one. */
const ENTITIES_LOOKED_UP = 20;

/**
 * What earlier records know of the resources of an exchange and the exchange itself did not show. Whose a resource is that was deleted, refused or
 * not reached: so that such an exchange stands in the Patient's own accounting, and goes with the Patient's key. And whether a delete found the resource
 * deleted already: servers then name the old version again, which this exchange did not make.
 */
export function withHistory(entities: readonly RecordEntity[], queries: RecordQueries): readonly RecordEntity[] {
  let left = ENTITIES_LOOKED_UP;
  return entities.map((entity) => {
    const isBlind = entity.stored === undefined && entity.id !== undefined;
    if (!isBlind || left-- <= 0) return entity;
    const patients = entity.patients.length > 0 ? entity.patients : seenPatients(entity, queries);
    return { ...entity, patients, versionId: isRepeatedDelete(entity, queries) ? undefined : entity.versionId };
  });
}

function isRepeatedDelete(
  { upstream, type, id, versionId, interaction }: RecordEntity,
  queries: RecordQueries,
): boolean {
  return interaction === 'delete' && id !== undefined && queries.isWriteRecorded(upstream, { type, id, versionId });
}

function seenPatients({ upstream, type, id }: RecordEntity, queries: RecordQueries): readonly string[] {
  if (id === undefined || !Object.hasOwn(PATIENT_COMPARTMENT_PATHS, type)) return [];
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
