import type { Caller, ExchangeIntent, ExchangeOutcome, ReceivedDisclosure } from './exchange-record.ts';
import type { RecordDraft } from './record.ts';

const EVENT_ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

/** Whether a text is base64url of 16 bytes in their only spelling, as event ids are. Another member's server may send anything. */
export function isEventId(text: string): boolean {
  return EVENT_ID.test(text);
}

/** The exchange that a disclosure went into, or the gateway's own business where there was no client. */
export interface AcknowledgedFor {
  /** Event id of the exchange; undefined where the gateway asked for itself. */
  readonly exchange: string | undefined;
  readonly requestId: string;
  readonly interaction: ExchangeIntent['interaction'];
  readonly startedMs: number;
  readonly context: Pick<ExchangeOutcome, 'ruleSet' | 'packages' | 'engine'>;
}

/**
 * The record that a disclosure of another member has come here. The gateway itself is who acknowledges: who asked, and about whom, stands in the record of the
 * exchange alone, so that an erasure need not look here.
 */
export function acknowledgementDraft(
  received: ReceivedDisclosure,
  acknowledged: AcknowledgedFor,
  made: Pick<RecordDraft, 'idBytes' | 'eventId' | 'recordedMs'> & { readonly writer: string },
): RecordDraft {
  const { context, exchange, interaction, requestId, startedMs } = acknowledged;
  const { writer, ...ids } = made;
  const kind = 'acknowledged';
  return {
    ...ids,
    startedMs,
    reconciled: false,
    intent: {
      requestId,
      caller: gatewayCaller(writer),
      interaction,
      kind,
      upstream: received.upstream,
      resourceType: undefined,
      resourceId: undefined,
      parameters: undefined,
      entities: [],
    },
    outcome: { ...context, kind, status: 200, outcome: '0', entities: [], issues: [] },
    acknowledges: {
      event: received.event,
      member: received.member,
      ...(exchange !== undefined && { exchange }),
    },
  };
}

function gatewayCaller(writer: string): Caller {
  return {
    issuer: 'concordat',
    subject: writer,
    clientId: writer,
    user: undefined,
    organisation: undefined,
    purpose: undefined,
    patient: undefined,
  };
}
