import { ConfigError } from '../config/config-error.ts';
import { AppError } from '../errors.ts';
import { CommandError, exitCodeOf } from './command-error.ts';

/**
 * Wraps a command's action: what it throws becomes one line on stderr (a configuration's problems one line each) and an exit code; never a stack.
 * A number that it returns is the exit code.
 */
export function runAction<A extends unknown[]>(
  action: (...args: A) => Promise<number | void>,
): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      process.exitCode = (await action(...args)) ?? 0;
    } catch (error) {
      const { text, code } = explain(error);
      process.stderr.write(`concordat: ${text}\n`);
      process.exitCode = code;
    }
  };
}

function explain(error: unknown): { text: string; code: number } {
  if (error instanceof CommandError) return { text: error.message, code: exitCodeOf(error.code) };
  if (error instanceof ConfigError) return { text: `the configuration cannot be used\n${error.message}`, code: 2 };
  if (error instanceof AppError) return { text: `${error.message} (${String(error.code)})`, code: 2 };
  if (isSystemError(error)) {
    return { text: error.path === undefined ? error.message : `${error.code}: ${error.path}`, code: 2 };
  }
  return { text: error instanceof Error ? `${error.name}: ${error.message}` : 'failed', code: 2 };
}

function isSystemError(error: unknown): error is Error & { code: string; path?: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string';
}
