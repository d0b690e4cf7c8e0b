/**
 * The one base class of every error that Concordat throws on purpose.
 * Each folder has a subclass with a closed union of codes; `gateway/error-response.ts` is the only place that turns codes into HTTP answers.
 */
export abstract class AppError<C extends string> extends Error {
  readonly code: C;

  /** @param message for the log, never for a client: no patient content, no secret, no URL of an upstream */
  constructor(code: C, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
