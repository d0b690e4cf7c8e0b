import type { Session } from './session.ts';
import { TemporalValue } from './values.ts';
import type { Item } from './values.ts';

/** The clock, in UTC so that an answer does not hang on where the gateway runs. */
export function now(session: Session): Item {
  return new TemporalValue('DateTime', clock(session).toISOString());
}
export function today(session: Session): Item {
  return new TemporalValue('Date', clock(session).toISOString().slice(0, 10));
}
export function timeOfDay(session: Session): Item {
  return new TemporalValue('Time', clock(session).toISOString().slice(11, 23));
}

function clock(session: Session): Date {
  return session.environment.now?.() ?? new Date();
}
