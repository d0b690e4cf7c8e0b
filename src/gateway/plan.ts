import type { JsonSlice } from '../fhir/json-edit.ts';
import type { InteractionCode } from '../fhir/interaction.ts';
import type { OutcomeIssue } from '../fhir/outcome.ts';
import type { EventKind, RecordEntity } from '../provenance/exchange-record.ts';
import type { Access } from './auth/access.ts';
import type { Principal } from './auth/authenticator.ts';
import type { ConformanceCache } from './conformance.ts';
import type { Content } from './content.ts';
import type { PushJudgement } from './edge-validation.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Preference } from './negotiate.ts';
import type { GatewayParts } from './parts.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { GatewayRequest } from './request.ts';
import type { AddressBook } from './rewrite.ts';
import type { FhirRoute } from './route.ts';

/** One exchange as its steps hand it on: what was asked, by whom, and the parts to answer it with. */
export interface Exchange {
  readonly parts: GatewayParts;
  readonly request: GatewayRequest;
  readonly route: FhirRoute;
  readonly principal: Principal;
  readonly access: Access;
  readonly content: Content;
  readonly preference: Preference;
  readonly book: AddressBook;
  readonly services: Services;
}

/** What the gateway keeps between exchanges. */
export interface Services {
  readonly conformance: ConformanceCache;
  readonly locks: KeyedLock;
  readonly rates: RateLimiter;
}

/** One resource about to be written, as it will be sent. */
export interface PlannedWrite {
  readonly upstream: string;
  readonly interaction: InteractionCode;
  readonly resourceType: string;
  /** Undefined where the upstream will assign it, or where only the upstream resolves a condition. */
  readonly id: string | undefined;
  /** As it goes over the upstream's wire; undefined for a delete. */
  readonly sent: JsonSlice | undefined;
  /** As the client sent it: what findings are placed in. Undefined where it was made here (a patched resource). */
  readonly received: JsonSlice | undefined;
  /** Place in the client's Bundle. */
  readonly entry: number | undefined;
}

/** One resource, or one entry of a Bundle, as it came from an upstream. */
export interface ReplyItem {
  readonly upstream: string;
  /** The Bundle entry; undefined for an answer that is one resource. */
  readonly entry: JsonSlice | undefined;
  readonly resource: JsonSlice | undefined;
  /** What was done to it, or how it was looked at. */
  readonly interaction: InteractionCode;
  readonly searchMode: string | undefined;
  /** The write that it answers. */
  readonly write: PlannedWrite | undefined;
  /** Known from headers or `entry.response` where there is no resource. */
  readonly id: string | undefined;
  readonly versionId: string | undefined;
  readonly resourceType: string | undefined;
}

/** An upstream that could not take part in an answer made of several. */
export interface FailedUpstream {
  readonly upstream: string;
  readonly error: unknown;
}

/** What came back, before anything is changed or left out. */
export interface Reply {
  readonly status: number;
  /** Validators and places, as the upstream gave them. */
  readonly headers: {
    readonly etag?: string;
    readonly lastModified?: string;
    readonly location?: string;
    readonly retryAfter?: string;
  };
  readonly shape: 'none' | 'resource' | 'bundle';
  readonly items: readonly ReplyItem[];
  /** The upstream's own Bundle, whose other members are kept; undefined where the Bundle is made here. */
  readonly frame: JsonSlice | undefined;
  readonly bundleType: string | undefined;
  readonly links: readonly { readonly relation: string; readonly url: string }[];
  readonly total: number | undefined;
  readonly failed: readonly FailedUpstream[];
  /** A Bundle whose entries were screened and answered one by one already. */
  readonly prepared?: {
    readonly body: string;
    readonly entities: readonly RecordEntity[];
    readonly found: readonly OutcomeIssue[];
  };
  /** Warnings of ours for the client, e.g. a parameter that was left out. */
  readonly notes: readonly OutcomeIssue[];
}

/** What will be done: which resources will be written, and how to send it. Making a plan changes nothing anywhere. */
export interface Plan {
  readonly writes: readonly PlannedWrite[];
  /** True when the answers' resources are content that is disclosed, so that scopes and pull rules look at each. */
  readonly isDisclosure: boolean;
  /** What the event is called, where that is not the interaction's own kind. */
  readonly kind?: EventKind;
  /** Present where the resources have been validated already. */
  readonly judged?: PushJudgement;
  send(): Promise<Reply>;
}

export const EMPTY_REPLY: Reply = {
  status: 200,
  headers: {},
  shape: 'none',
  items: [],
  frame: undefined,
  bundleType: undefined,
  links: [],
  total: undefined,
  failed: [],
  notes: [],
};
