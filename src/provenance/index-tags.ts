import type { KeyStore } from './key-store.ts';
import { patientsNamedByRequest, type RecordDraft } from './record.ts';

/** What records can be found by, beside time, kind, interaction and outcome. The value's form stands behind each. */
export type IndexField =
  /** `upstream/Type/id` */
  | 'resource'
  /** `upstream/Type/id/_history/versionId` */
  | 'version'
  /** A resource type. */
  | 'type'
  | 'upstream'
  | 'user'
  | 'subject'
  | 'client'
  | 'organisation'
  | 'purpose'
  | 'request';

/** Tag of one value of one field; Patients have `KeyStore.patientTag`. */
export function indexTag(keys: KeyStore, field: IndexField, value: string): Uint8Array {
  return keys.tag(field, value);
}

/** All tags of a record, each once. */
export function indexTags(draft: RecordDraft, keys: KeyStore): Uint8Array[] {
  const { intent, outcome } = draft;
  const { caller } = intent;
  const tags = new Set<Uint8Array>();
  const add = (field: IndexField, value: string | undefined): void => {
    if (value !== undefined) tags.add(indexTag(keys, field, value));
  };
  add('upstream', intent.upstream);
  add('type', intent.resourceType);
  add('user', caller.user);
  add('subject', caller.subject);
  add('client', caller.clientId);
  add('organisation', caller.organisation);
  add('purpose', caller.purpose);
  add('request', intent.requestId);
  for (const { upstream, patient } of patientsNamedByRequest(intent)) tags.add(keys.patientTag(upstream, patient));
  if (intent.upstream !== undefined && intent.resourceType !== undefined && intent.resourceId !== undefined) {
    add('resource', `${intent.upstream}/${intent.resourceType}/${intent.resourceId}`);
  }
  for (const entity of outcome.entities) {
    add('upstream', entity.upstream);
    add('type', entity.type);
    for (const patient of entity.patients) tags.add(keys.patientTag(entity.upstream, patient));
    if (entity.id === undefined) continue;
    const resource = `${entity.upstream}/${entity.type}/${entity.id}`;
    add('resource', resource);
    if (entity.versionId !== undefined) add('version', `${resource}/_history/${entity.versionId}`);
  }
  return [...tags];
}
