/** The code of an error for a log line, never its message: that may quote what it failed on. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
