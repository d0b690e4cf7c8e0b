import type { KeyStore } from './key-store.ts';
import { patientsNamedByRequest, type RecordDraft } from './record.ts';

/** What records can be found by, beside time, kind, interaction and outcome. */
export type IndexField = 'user' | 'subject' | 'client' | 'organisation' | 'acknowledges';

/** Tag of one value of one field; Patients have `KeyStore.patientTag`, resources `resourceTag`. */
export function indexTag(keys: KeyStore, field: IndexField, value: string): Uint8Array {
  return keys.tag(field, value);
}

/** Tag of all versions of a resource: every one of its version tags begins with it. */
export function resourceTag(keys: KeyStore, upstream: string, type: string, id: string): Uint8Array {
  return keys.tag('resource', `${upstream}/${type}/${id}`);
}

/** A user claim as it stands, and as a relative reference (`Practitioner/7`) where it ends like one. */
export function userValues(user: string | undefined): string[] {
  if (user === undefined) return [];
  const relative = /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})$/.exec(user)?.[1];
  return relative === undefined || relative === user ? [user] : [user, relative];
}

const VERSION_BYTES = 4;

/**
 * Tag of one version: the resource's, so that one row serves both questions, and four bytes more. Those are few enough that two versions of a
 * resource may share them; who asks looks at the opened record. Zeros where the version is not known.
 */
export function versionTag(keys: KeyStore, resource: Uint8Array, versionId: string | undefined): Uint8Array {
  const tag = new Uint8Array(resource.length + VERSION_BYTES);
  tag.set(resource);
  if (versionId !== undefined) tag.set(keys.tag('version', versionId).subarray(0, VERSION_BYTES), resource.length);
  return tag;
}

/** All tags of a record, each once. */
export function indexTags(draft: RecordDraft, keys: KeyStore): Uint8Array[] {
  const { intent, outcome } = draft;
  const { caller } = intent;
  const tags = new Set<Uint8Array>();
  const add = (field: IndexField, value: string | undefined): void => {
    if (value !== undefined) tags.add(indexTag(keys, field, value));
  };
  for (const user of userValues(caller.user)) add('user', user);
  add('subject', caller.subject);
  add('client', caller.clientId);
  add('organisation', caller.organisation);
  add('acknowledges', draft.acknowledges?.event);
  for (const { upstream, patient } of patientsNamedByRequest(intent)) tags.add(keys.patientTag(upstream, patient));
  const touched = new Map<string, Uint8Array>();
  const touch = (upstream: string, type: string, id: string, versionId: string | undefined): void => {
    const tag = versionTag(keys, resourceTag(keys, upstream, type, id), versionId);
    touched.set(Buffer.from(tag).toString('latin1'), tag);
  };
  for (const entity of outcome.entities) {
    for (const patient of entity.patients) tags.add(keys.patientTag(entity.upstream, patient));
    if (entity.id !== undefined) touch(entity.upstream, entity.type, entity.id, entity.versionId);
  }
  const { upstream, resourceType, resourceId } = intent;
  if (upstream !== undefined && resourceType !== undefined && resourceId !== undefined && touched.size === 0) {
    touch(upstream, resourceType, resourceId, undefined);
  }
  return [...tags, ...touched.values()];
}
