/** Instants that a FHIR date search lets through: `fromMs` included, `beforeMs` not; `not` turns it round. */
export interface TimeRange {
  readonly fromMs?: number;
  readonly beforeMs?: number;
  readonly not?: boolean;
}

const DATE =
  /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * A FHIR R4 date search value against an instant (http://hl7.org/fhir/R4/search.html#date). A value without a zone is UTC; one of low precision is the
 * whole span it names. `ap` is a tenth of the span between the value and now.
 * @returns undefined for what is no date
 */
export function parseDateRange(value: string, nowMs: number): TimeRange | undefined {
  // A plus sign that was not escaped arrives as a blank.
  const match = DATE.exec(value.replace(' ', '+'));
  if (match === null) return undefined;
  const [, prefix = 'eq', year, month, day, hour, minute, second, fraction, zone = 'Z'] = match;
  const lowMs = Date.parse(
    `${year}-${month ?? '01'}-${day ?? '01'}T${hour ?? '00'}:${minute ?? '00'}:${second ?? '00'}${fraction?.slice(0, 4) ?? ''}${zone}`,
  );
  if (Number.isNaN(lowMs) || (day !== undefined && !isDay(Number(year), Number(month), Number(day)))) return undefined;
  const highMs = endOf(lowMs, { month, day, minute, second, fraction });
  switch (prefix) {
    case 'ne':
      return { fromMs: lowMs, beforeMs: highMs, not: true };
    case 'gt':
    case 'sa':
      return { fromMs: highMs };
    case 'ge':
      return { fromMs: lowMs };
    case 'lt':
    case 'eb':
      return { beforeMs: lowMs };
    case 'le':
      return { beforeMs: highMs };
    case 'ap': {
      const slackMs = Math.abs(nowMs - lowMs) / 10;
      return { fromMs: Math.floor(lowMs - slackMs), beforeMs: Math.ceil(highMs + slackMs) };
    }
    default:
      return { fromMs: lowMs, beforeMs: highMs };
  }
}

type Precision = Record<'month' | 'day' | 'minute' | 'second' | 'fraction', string | undefined>;

function endOf(lowMs: number, { month, day, minute, second, fraction }: Precision): number {
  const low = new Date(lowMs);
  if (month === undefined) return Date.UTC(low.getUTCFullYear() + 1, 0);
  if (day === undefined) return Date.UTC(low.getUTCFullYear(), low.getUTCMonth() + 1);
  if (minute === undefined) return lowMs + 86_400_000;
  if (second === undefined) return lowMs + 60_000;
  if (fraction === undefined) return lowMs + 1000;
  return lowMs + 10 ** Math.max(0, 4 - fraction.length);
}

function isDay(year: number, month: number, day: number): boolean {
  return day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}
