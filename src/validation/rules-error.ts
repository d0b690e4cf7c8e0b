import { AppError } from '../errors.ts';

/** One thing wrong in a rules file. */
export interface RuleProblem {
  /** 1-based; undefined where the file as a whole is meant. */
  readonly line: number | undefined;
  /** Where in the file, e.g. `rules[2].mode`. */
  readonly path: string;
  readonly text: string;
}

/** - `malformed`: the file is not YAML or not a rule set; `problems` has everything that is wrong */
export class RuleSetError extends AppError<'malformed'> {
  readonly problems: readonly RuleProblem[];

  constructor(problems: readonly RuleProblem[]) {
    const lines = problems.map(
      ({ line, path, text }) => `${line === undefined ? '' : `line ${line}: `}${path}: ${text}`,
    );
    super('malformed', `rule set is malformed: ${lines.join('; ')}`);
    this.problems = problems;
  }
}
