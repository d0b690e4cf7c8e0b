import { AppError } from '../errors.ts';

/**
 * What can go wrong with an upstream. `unreachable`, `breaker-open` and `overloaded`: surely nothing was sent. `timeout` and `broken`: the request may
 * have been carried out. `too-long`, `not-fhir` and `redirect`: it answered, but not with something that can be passed on.
 * `credentials`: it refused the gateway's own credentials.
 */
export type UpstreamCode =
  | 'unreachable'
  | 'breaker-open'
  | 'overloaded'
  | 'timeout'
  | 'broken'
  | 'too-long'
  | 'not-fhir'
  | 'redirect'
  | 'credentials';

export class UpstreamError extends AppError<UpstreamCode> {
  /** The upstream's name in the configuration; its URL never stands in a message. */
  readonly upstream: string;
  constructor(code: UpstreamCode, upstream: string, options?: { cause?: unknown }) {
    super(code, `upstream ${upstream}: ${code}`, options);
    this.upstream = upstream;
  }

  /** Whether the upstream may have carried out what it was asked. */
  get mayHaveHappened(): boolean {
    return (
      this.code !== 'unreachable' &&
      this.code !== 'credentials' &&
      this.code !== 'breaker-open' &&
      this.code !== 'overloaded'
    );
  }
}
