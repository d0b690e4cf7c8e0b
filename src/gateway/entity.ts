import { stringMember, viewBundle } from '../fhir/bundle.ts';
import { patientsOfNode } from '../fhir/compartment.ts';
import type { JsonSlice } from '../fhir/json-edit.ts';
import { memberValue } from '../fhir/json-text.ts';
import { isWrite } from '../fhir/interaction.ts';
import { digestResource, digestSlice, isAlteredByUpstream, matchDigest, sliceOctets } from '../provenance/digest.ts';
import type { Digests, RecordEntity } from '../provenance/exchange-record.ts';
import { declared } from './edge-validation.ts';
import type { PlannedWrite, ReplyItem } from './plan.ts';
import type { AddressBook } from './rewrite.ts';

/** Record entities: one for each resource version that an exchange touched, digests taken before anything is rewritten. */

/** Of a resource about to be written. */
export function plannedEntity(write: PlannedWrite, book: AddressBook): RecordEntity {
  return {
    upstream: write.upstream,
    type: write.resourceType,
    id: write.id,
    versionId: undefined,
    profiles: write.sent === undefined ? [] : declared(write.sent),
    patients: patientsIn(write.sent, write.upstream, write.resourceType, write.id, book),
    sent: sentDigests(write),
    stored: undefined,
    entry: write.entry,
    interaction: write.interaction,
    // A transaction's references are replaced by the upstream, so only what is left without them is known again.
    ...(write.entry !== undefined && write.sent !== undefined ? { match: matchDigest(write.sent.node) } : {}),
  };
}

/** Of what came back; where it answers a write, with what was sent. Undefined for what is no resource's version (an outcome, an empty answer). */
export function repliedEntity(item: ReplyItem, entry: number | undefined, book: AddressBook): RecordEntity | undefined {
  const { resource, write } = item;
  const isOutcome = resource !== undefined && stringMember(resource.node, 'resourceType') === 'OperationOutcome';
  const version = resource === undefined || isOutcome ? undefined : resource;
  const type = (version && stringMember(version.node, 'resourceType')) ?? write?.resourceType ?? item.resourceType;
  const id = (version && stringMember(version.node, 'id')) ?? item.id ?? write?.id;
  if (type === undefined || (version === undefined && write === undefined && id === undefined)) return undefined;
  const holder = version ?? write?.sent;
  const digests = version === undefined ? undefined : versionDigests(version, item);
  // What `_summary` or `_elements` cut down is what was disclosed, but it is not what is stored.
  const isPart = version !== undefined && isSubsetted(version);
  const sent = write === undefined ? (isPart ? digests : undefined) : sentDigests(write);
  return {
    upstream: item.upstream,
    type,
    id,
    versionId: (version && stringMember(memberValue(version.node, 'meta'), 'versionId')) ?? item.versionId,
    profiles: holder === undefined ? [] : declared(holder),
    patients: patientsIn(holder, item.upstream, type, id, book),
    sent,
    stored: isPart ? undefined : digests,
    entry: write?.entry ?? entry,
    interaction: item.interaction,
    ...(write !== undefined && sent !== undefined && version !== undefined
      ? { altered: isAlteredByUpstream(sent, version.node) }
      : {}),
  };
}

/** Of an instance that was asked for and not reached, so that attempts on it are found. */
export function attemptedEntity(
  attempt: { upstream: string; resourceType: string; id: string; versionId: string | undefined },
  interaction: RecordEntity['interaction'],
): RecordEntity {
  return {
    upstream: attempt.upstream,
    type: attempt.resourceType,
    id: attempt.id,
    versionId: attempt.versionId,
    profiles: [],
    patients: attempt.resourceType === 'Patient' ? [attempt.id] : [],
    sent: undefined,
    stored: undefined,
    entry: undefined,
    interaction,
  };
}

/** The resources of a Bundle that came as one entry's resource: what a GET in a transaction or batch disclosed. */
export function nestedItems(item: ReplyItem): readonly ReplyItem[] {
  if (item.resource === undefined || isWrite(item.interaction) || item.interaction === 'read') return [item];
  const bundle = viewBundle(item.resource.node);
  if (bundle === undefined) return [item];
  const { text } = item.resource;
  return bundle.entries.flatMap((entry) =>
    entry.resource === undefined ? [] : [{ ...item, entry: undefined, resource: { text, node: entry.resource } }],
  );
}

function versionDigests(resource: JsonSlice, item: ReplyItem): Digests {
  const isWhole = item.entry === undefined && resource.node.start === 0;
  const octets = isWhole ? Buffer.from(resource.text, 'utf8') : sliceOctets(resource.text, resource.node);
  return digestResource(octets, resource.node, 'stored');
}

function sentDigests(write: PlannedWrite): Digests | undefined {
  return write.sent === undefined ? undefined : digestSlice(write.sent.text, write.sent.node, 'sent');
}

function isSubsetted(resource: JsonSlice): boolean {
  const tags = memberValue(memberValue(resource.node, 'meta'), 'tag');
  return tags?.kind === 'array' && tags.items.some((tag) => stringMember(tag, 'code') === 'SUBSETTED');
}

function patientsIn(
  resource: JsonSlice | undefined,
  upstream: string,
  type: string,
  id: string | undefined,
  book: AddressBook,
): readonly string[] {
  if (resource === undefined) return type === 'Patient' && id !== undefined ? [id] : [];
  return patientsOfNode(resource.node, book.upstreams.find(({ name }) => name === upstream)?.base);
}
