import { stringMember } from '../fhir/bundle.ts';
import { parseJsonText, toValue } from '../fhir/json-text.ts';
import { operationOutcome } from '../fhir/outcome.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import type { RecordEntity } from '../provenance/exchange-record.ts';
import type { ScopeAction } from './auth/scopes.ts';
import { contextIssue, judge } from './edge-validation.ts';
import type { Judgement } from './edge-validation.ts';
import { nestedItems, repliedEntity } from './entity.ts';
import { GatewayError } from './gateway-error.ts';
import type { Exchange, Plan, Reply, ReplyItem } from './plan.ts';

/** FHIR R4 `id`. */
const LONGEST_ID = 64;

/** What of a reply the client gets, and what is recorded of it. */
export interface Screened {
  readonly items: readonly ReplyItem[];
  readonly entities: readonly RecordEntity[];
  /** For the client: findings of annotating rules, and what was held back and why. */
  readonly notes: readonly OutcomeIssue[];
  /** For the record: also findings of rules that only observe. */
  readonly found: readonly OutcomeIssue[];
  /** Resources left out; a count of matches would betray them. */
  readonly withheld: number;
}

/** Looks at every resource that would be disclosed: the token's scopes on each one, then the pull rules. @throws {GatewayError} forbidden | profile */
export async function screen(exchange: Exchange, plan: Plan, reply: Reply): Promise<Screened> {
  if (reply.prepared !== undefined) {
    const { entities, found } = reply.prepared;
    return { items: [], entities, notes: [], found, withheld: 0 };
  }
  const items: ReplyItem[] = [];
  const entities: RecordEntity[] = [];
  const notes: OutcomeIssue[] = [...reply.notes];
  const found: OutcomeIssue[] = [];
  let withheld = 0;
  for (const [index, item] of reply.items.entries()) {
    const inner = plan.isDisclosure && item.write === undefined ? nestedItems(item) : [item];
    const isDisclosed = plan.isDisclosure && item.write === undefined && !isOutcomeItem(item);
    if (isDisclosed && !inner.every((one) => isAllowed(exchange, one))) {
      if (reply.shape === 'resource') throw outOfScope();
      withheld += 1;
      if (reply.bundleType?.endsWith('-response') === true) items.push(deniedItem(item));
      continue;
    }
    if (isDisclosed && exchange.route.isFederated && !fitsFederated(item)) {
      withheld += 1;
      notes.push(unaddressable(item));
      continue;
    }
    if (isDisclosed && item.resource !== undefined) {
      const judgement = await judgePull(exchange, item);
      found.push(...judgement.issues);
      const isHeldBack = judgement.mode === 'reject' && !judgement.isValid;
      if (isHeldBack && reply.shape === 'resource') throw heldBack(exchange, judgement);
      if (isHeldBack) notes.push(heldBackNote(exchange, item));
      // What only warns goes into the record: clients that take each entry for a match would stumble over a note on every search.
      if (isHeldBack || (judgement.mode === 'annotate' && !judgement.isValid)) notes.push(...judgement.issues);
      if (isHeldBack) {
        withheld += 1;
        continue;
      }
    }
    items.push(item);
    // What the gateway answers itself is no version of anything.
    if (!plan.isDisclosure && item.write === undefined) continue;
    for (const one of inner) {
      const entity = repliedEntity(one, reply.shape === 'bundle' ? index : undefined, exchange.book);
      if (entity !== undefined) entities.push(entity);
    }
  }
  return { items, entities, notes, found, withheld };
}

function isOutcomeItem(item: ReplyItem): boolean {
  return item.resource !== undefined && stringMember(item.resource.node, 'resourceType') === 'OperationOutcome';
}

function isAllowed({ access }: Exchange, item: ReplyItem): boolean {
  const actions = actionsFor(item);
  const { resource } = item;
  // A deleted version has no content to look at: who may not see all of the type does not learn that it was there.
  if (resource === undefined) return item.resourceType === undefined || access.allowsAllOf('r', item.resourceType);
  const type = stringMember(resource.node, 'resourceType');
  if (actions.some((action) => access.allowsAllOf(action, type))) return true;
  const value = toValue(resource.node);
  return actions.some((action) => access.allowsResource(action, item.upstream, value));
}

/** A match of a search needs the right to search; what is included beside it, and what is read, the right to read (or to find). */
function actionsFor(item: ReplyItem): readonly ScopeAction[] {
  if (!item.interaction.startsWith('search')) return ['r'];
  return item.searchMode === 'match' ? ['s'] : ['s', 'r'];
}

function outOfScope(): GatewayError {
  return new GatewayError('forbidden', {
    external:
      'The token does not allow this resource: its scopes, or the patient that it is bound to, do not cover it.',
    reason: 'resource-scope',
  });
}

/** An entry whose place must be kept, because answers belong to requests by their order. */
function deniedItem(item: ReplyItem): ReplyItem {
  const outcome = operationOutcome([{ severity: 'error', code: 'forbidden', text: outOfScope().detail.external }]);
  const text = JSON.stringify({ response: { status: '403', outcome } });
  return { ...item, entry: { text, node: parseJsonText(text).root }, resource: undefined };
}

function fitsFederated(item: ReplyItem): boolean {
  const id = item.resource && stringMember(item.resource.node, 'id');
  return id === undefined || `${item.upstream}.${id}`.length <= LONGEST_ID;
}

function unaddressable({ upstream }: ReplyItem): OutcomeIssue {
  const text = `A resource of ${upstream} has an id too long for this address; find it at /fhir/${upstream}.`;
  return { severity: 'warning', code: 'too-long', text };
}

async function judgePull({ parts, principal }: Exchange, item: ReplyItem): Promise<Judgement> {
  const { resource } = item;
  if (resource === undefined) throw new TypeError('only a resource is judged');
  return judge(parts, {
    direction: 'pull',
    upstream: item.upstream,
    client: principal.caller.clientId,
    resource,
    isPlaced: false,
  });
}

function heldBack({ parts }: Exchange, judgement: Judgement): GatewayError {
  return new GatewayError('profile', {
    external: 'The upstream holds this resource in a form that the rules do not let out.',
    reason: 'held-back',
    issues: [contextIssue(parts, judgement.profiles), ...judgement.issues],
  });
}

function heldBackNote({ book }: Exchange, item: ReplyItem): OutcomeIssue {
  const type = (item.resource && stringMember(item.resource.node, 'resourceType')) ?? 'resource';
  const isKnown = book.upstreams.some(({ name }) => name === item.upstream);
  return {
    severity: 'warning',
    code: 'suppressed',
    text: `A ${type} of ${isKnown ? item.upstream : 'an upstream'} is held back: it does not conform to what the consortium has agreed on.`,
  };
}
