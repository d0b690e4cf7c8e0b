import { AppError } from '../errors.ts';

/** Why a command ends without holding; each has its exit code (docs/operations.md, "Exit codes"). */
export type CommandCode = 'false' | 'usage' | 'unreadable' | 'incomplete' | 'not-reachable';

/** A command's end that is no fault of the program: its message is the one line that the user sees. */
export class CommandError extends AppError<CommandCode> {}

/** 0 holds, 1 checked and false, 2 usage or unreadable input, 3 incomplete, 4 not reachable. */
export function exitCodeOf(code: CommandCode): number {
  switch (code) {
    case 'false':
      return 1;
    case 'usage':
    case 'unreadable':
      return 2;
    case 'incomplete':
      return 3;
    case 'not-reachable':
      return 4;
  }
}
