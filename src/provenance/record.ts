import { canonicalise } from '../fhir/canonical-json.ts';
import type { InteractionCode } from '../fhir/interaction.ts';
import { hmacSha256, sha256 } from '../hash.ts';
import type { Caller, EventKind, ExchangeIntent, ExchangeOutcome, RecordEntity } from './exchange-record.ts';

/**
 * The record of one exchange and its two-level salted commitment, named `c1` in events. The record says who, what and when; every resource version
 * that it touched, and the request's own words, stand in it only as commitments, so that erasing one Patient leaves the rest provable.
 */
export const COMMITMENT_ALGORITHM = 'c1';
const ENTITY_DOMAIN = Buffer.from('concordat/entity/v1\n', 'utf8');
const RECORD_DOMAIN = Buffer.from('concordat/record/v1\n', 'utf8');
const JOINT_DOMAIN = Buffer.from('concordat/joint/v1\n', 'utf8');
/** Index under which the request part is committed, behind any entity. */
const REQUEST_INDEX = 0xffffffff;

/** What is said of a caller who surely is staff or software; the rest of a caller stands in the request part. */
export type RecordedCaller = Pick<Caller, 'issuer' | 'clientId'> &
  Partial<Pick<Caller, 'subject' | 'user' | 'organisation' | 'purpose' | 'member'>>;

/** The record as it is committed to, RFC 8785 form when hashed. */
export interface ExchangeRecord {
  readonly v: 1;
  readonly id: string;
  readonly kind: EventKind;
  readonly interaction: InteractionCode;
  /** ISO 8601 in UTC, milliseconds. */
  readonly started: string;
  readonly recorded: string;
  readonly requestId: string;
  readonly caller: RecordedCaller;
  readonly upstream?: string;
  readonly resourceType?: string;
  readonly status: number;
  readonly outcome: ExchangeOutcome['outcome'];
  readonly issues: readonly { severity: string; code: string; expression?: string; id?: string }[];
  readonly ruleSet: string;
  readonly packages: readonly string[];
  readonly engine: string;
  /** Written by the reconciler after a crash, from what it found at the upstream. */
  readonly reconciled?: true;
  /** Class of legal ground, on `erased` only. */
  readonly ground?: string;
  /** On `acknowledged` only: the other member's event, and our own exchange that it went into. */
  readonly acknowledges?: Acknowledges;
  /** One list an entity, one commitment a Patient in it (or one where none is concerned), base64url. */
  readonly entities: readonly (readonly string[])[];
  /** Commitment to the request part, base64url. */
  readonly request?: string;
}

export interface Acknowledges {
  readonly event: string;
  readonly member: string;
  readonly exchange?: string;
}

/** What a request names: it may name a Patient, so it is sealed under the keys of all Patients concerned. */
export interface RequestPart {
  readonly resourceId?: string;
  readonly parameters?: string;
  readonly launchPatient?: string;
  readonly subject?: string;
  readonly user?: string;
}

/** An entity as one Patient's part holds it: only that Patient is named. */
export interface CommittedEntity extends Omit<
  RecordEntity,
  'patients' | 'match' | 'id' | 'versionId' | 'sent' | 'stored' | 'entry'
> {
  readonly id?: string;
  readonly versionId?: string;
  readonly patient?: string;
  readonly sent?: RecordEntity['sent'];
  readonly stored?: RecordEntity['stored'];
  readonly entry?: number;
}

/** What one key opens: entities by their index in the record, and the request part where that key alone holds it. */
export interface SealedContent {
  readonly entities: readonly (readonly [number, CommittedEntity])[];
  readonly request?: RequestPart;
}

export interface RecordDraft {
  /** 16 random bytes, and the same as base64url. */
  readonly idBytes: Uint8Array;
  readonly eventId: string;
  readonly startedMs: number;
  readonly recordedMs: number;
  readonly intent: ExchangeIntent;
  readonly outcome: ExchangeOutcome;
  readonly reconciled: boolean;
  readonly ground?: string;
  readonly acknowledges?: Acknowledges;
}

/** The key of one Patient concerned, with its tag. */
export interface PatientKey {
  readonly tag: Uint8Array;
  readonly key: Uint8Array;
}

export interface BuiltRecord {
  readonly record: ExchangeRecord;
  readonly recordText: string;
  /** 32 bytes, for the event. */
  readonly commit: Uint8Array;
  /** What no Patient is named in; sealed with the record itself. */
  readonly own: SealedContent;
  readonly patients: readonly { readonly patientKey: PatientKey; readonly content: SealedContent }[];
  /** The request part where several Patients are concerned, under `jointKey` of all of them. */
  readonly joint: { readonly key: Uint8Array; readonly request: RequestPart } | undefined;
}

/**
 * Builds the record of an exchange, its commitments, and what each key will seal. Pure.
 * @param salts `record`: 32 random bytes; `key`: 32 random bytes, K where no Patient is concerned
 * @param patientKey the key of an upstream Patient, made if need be
 */
export function buildRecord(
  draft: RecordDraft,
  salts: { readonly record: Uint8Array; readonly key: Uint8Array },
  patientKey: (upstream: string, patient: string) => PatientKey,
): BuiltRecord {
  const { idBytes, intent, outcome } = draft;
  const concerned = new Map<string, { patientKey: PatientKey; entities: [number, CommittedEntity][] }>();
  const concern = (upstream: string, patient: string) => {
    const name = `${upstream}/${patient}`;
    let found = concerned.get(name);
    if (found === undefined) concerned.set(name, (found = { patientKey: patientKey(upstream, patient), entities: [] }));
    return found;
  };
  const ownEntities: [number, CommittedEntity][] = [];
  const commitments = outcome.entities.map((entity, index) => {
    if (entity.patients.length === 0) {
      const committed = committedEntity(entity, undefined);
      ownEntities.push([index, committed]);
      return [base64url(entityCommitment(salts.key, idBytes, index, canonicalText(committed)))];
    }
    return entity.patients.map((patient) => {
      const committed = committedEntity(entity, patient);
      const { entities, patientKey: found } = concern(entity.upstream, patient);
      entities.push([index, committed]);
      return base64url(entityCommitment(found.key, idBytes, index, canonicalText(committed)));
    });
  });
  for (const { upstream, patient } of patientsNamedByRequest(intent)) concern(upstream, patient);

  const patients = [...concerned.values()];
  const request = requestPart(intent);
  const only = patients.length === 1 ? patients[0] : undefined;
  const requestKey =
    patients.length === 0 ? salts.key : (only?.patientKey.key ?? jointKey(patients.map((one) => one.patientKey.key)));
  const record = recordOf(
    draft,
    commitments,
    request && {
      text: canonicalText(request),
      key: requestKey,
    },
  );
  const recordText = canonicalText(record);
  return {
    record,
    recordText,
    commit: recordCommitment(salts.record, recordText),
    own: { entities: ownEntities, ...(patients.length === 0 && request !== undefined && { request }) },
    patients: patients.map((one) => ({
      patientKey: one.patientKey,
      content: { entities: one.entities, ...(one === only && request !== undefined && { request }) },
    })),
    joint: patients.length > 1 && request !== undefined ? { key: requestKey, request } : undefined,
  };
}

/** `SHA-256("concordat/entity/v1\n" || HMAC-SHA-256(K, id || u32 BE index) || SHA-256(entity text))`, 32 bytes. */
export function entityCommitment(key: Uint8Array, idBytes: Uint8Array, index: number, entityText: string): Uint8Array {
  const place = new Uint8Array(4);
  new DataView(place.buffer).setUint32(0, index);
  return sha256(ENTITY_DOMAIN, hmacSha256(key, idBytes, place), sha256(Buffer.from(entityText, 'utf8')));
}

/** Commitment to the request part: that of an entity with index 2^32 - 1. */
export function requestCommitment(key: Uint8Array, idBytes: Uint8Array, requestText: string): Uint8Array {
  return entityCommitment(key, idBytes, REQUEST_INDEX, requestText);
}

/** `SHA-256("concordat/record/v1\n" || record salt || SHA-256(record text))`, 32 bytes. */
export function recordCommitment(salt: Uint8Array, recordText: string): Uint8Array {
  return sha256(RECORD_DOMAIN, salt, sha256(Buffer.from(recordText, 'utf8')));
}

/** K of what names several Patients at once: destroying any one of their keys destroys it. @param keys in any order */
export function jointKey(keys: readonly Uint8Array[]): Uint8Array {
  return sha256(JOINT_DOMAIN, ...[...keys].sort(Buffer.compare));
}

/** RFC 8785 text; lone surrogates, which it cannot hold, become U+FFFD. */
export function canonicalText(value: object): string {
  try {
    return canonicalise(value);
  } catch {
    return canonicalise(
      JSON.parse(
        JSON.stringify(value, (_key, item: unknown) => (typeof item === 'string' ? item.toWellFormed() : item)),
      ),
    );
  }
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

function recordOf(
  draft: RecordDraft,
  entities: readonly (readonly string[])[],
  request: { text: string; key: Uint8Array } | undefined,
): ExchangeRecord {
  const { intent, outcome } = draft;
  return {
    v: 1,
    id: draft.eventId,
    kind: outcome.kind,
    interaction: intent.interaction,
    started: new Date(draft.startedMs).toISOString(),
    recorded: new Date(draft.recordedMs).toISOString(),
    requestId: intent.requestId,
    caller: recordedCaller(intent.caller),
    ...(intent.upstream !== undefined && { upstream: intent.upstream }),
    ...(intent.resourceType !== undefined && { resourceType: intent.resourceType }),
    status: outcome.status,
    outcome: outcome.outcome,
    issues: outcome.issues.map(({ severity, code, expression, id }) => ({
      severity,
      code,
      ...(expression !== undefined && { expression }),
      ...(id !== undefined && { id }),
    })),
    ruleSet: outcome.ruleSet,
    packages: outcome.packages,
    engine: outcome.engine,
    ...(draft.reconciled && { reconciled: true as const }),
    ...(draft.ground !== undefined && { ground: draft.ground }),
    ...(draft.acknowledges !== undefined && { acknowledges: draft.acknowledges }),
    entities,
    ...(request && { request: base64url(requestCommitment(request.key, draft.idBytes, request.text)) }),
  };
}

/** A token that is bound to a Patient may be the Patient's own: unless it names staff, who it is stands in the request part. */
function isPatientToken(caller: Caller): boolean {
  return (
    caller.patient !== undefined &&
    !/(^|\/)(Practitioner|PractitionerRole|Organization|Device)\//.test(caller.user ?? '')
  );
}

function recordedCaller(caller: Caller): RecordedCaller {
  const named = !isPatientToken(caller);
  return {
    issuer: caller.issuer,
    clientId: caller.clientId,
    ...(named && { subject: caller.subject }),
    ...(named && caller.user !== undefined && { user: caller.user }),
    ...(caller.organisation !== undefined && { organisation: caller.organisation }),
    ...(caller.purpose !== undefined && { purpose: caller.purpose }),
    ...(caller.member !== undefined && { member: caller.member }),
  };
}

function requestPart(intent: ExchangeIntent): RequestPart | undefined {
  const { caller } = intent;
  const hidden = isPatientToken(caller);
  const part: RequestPart = {
    ...(intent.resourceId !== undefined && { resourceId: intent.resourceId }),
    ...(intent.parameters !== undefined && intent.parameters !== '' && { parameters: intent.parameters }),
    ...(caller.patient !== undefined && { launchPatient: caller.patient }),
    ...(hidden && { subject: caller.subject }),
    ...(hidden && caller.user !== undefined && { user: caller.user }),
  };
  return Object.keys(part).length === 0 ? undefined : part;
}

function committedEntity(entity: RecordEntity, patient: string | undefined): CommittedEntity {
  return {
    upstream: entity.upstream,
    type: entity.type,
    ...(entity.id !== undefined && { id: entity.id }),
    ...(entity.versionId !== undefined && { versionId: entity.versionId }),
    profiles: entity.profiles,
    ...(patient !== undefined && { patient }),
    ...(entity.sent !== undefined && { sent: entity.sent }),
    ...(entity.stored !== undefined && { stored: entity.stored }),
    ...(entity.altered === true && { altered: true }),
    ...(entity.entry !== undefined && { entry: entity.entry }),
    interaction: entity.interaction,
  };
}

/**
 * Patients that a request names by itself, whatever came of it: the addressed Patient, those the gateway found, and the token's. On the federated
 * address ids carry their upstream (`ehr.1`).
 */
export function patientsNamedByRequest(intent: ExchangeIntent): { upstream: string; patient: string }[] {
  const ids = [...(intent.patients ?? [])];
  if (intent.resourceType === 'Patient' && intent.resourceId !== undefined) ids.push(intent.resourceId);
  const { upstream } = intent;
  if (upstream === undefined) {
    if (intent.caller.patient !== undefined) ids.push(intent.caller.patient);
    return ids.flatMap((id) => {
      const dot = id.indexOf('.');
      return dot > 0 ? [{ upstream: id.slice(0, dot), patient: id.slice(dot + 1) }] : [];
    });
  }
  const bound = intent.caller.patient;
  if (bound !== undefined) ids.push(bound.startsWith(`${upstream}.`) ? bound.slice(upstream.length + 1) : bound);
  return ids.map((patient) => ({ upstream, patient }));
}
