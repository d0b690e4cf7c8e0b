/**
 * Why a topic cannot be reached, for operators: the code of Node, TLS or the broker (`ECONNREFUSED`, `SELF_SIGNED_CERT_IN_CHAIN`, `TOPIC_AUTHORIZATION_FAILED`), else
 * the name of the client's error. Never a message: those carry addresses, and `/health/ready` shows this to anybody.
 */
export function topicReason(error: unknown): string {
  let reason = 'unknown';
  let current: unknown = error;
  // What lies deepest says most; an error of several parts is told by the first.
  for (let depth = 0; depth < MOST_CAUSES && typeof current === 'object' && current !== null; depth++) {
    const { code, type, name, cause, errors } = current as Readonly<Record<string, unknown>>;
    reason =
      [code, type, name].find((text): text is string => typeof text === 'string' && IS_NAME.test(text)) ?? reason;
    current = Array.isArray(errors) ? errors[0] : cause;
  }
  return reason;
}

const MOST_CAUSES = 16;
const IS_NAME = /^[A-Za-z][\w-]{0,79}$/;
