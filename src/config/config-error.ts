import { AppError } from '../errors.ts';

/** One thing that is wrong with a configuration file. */
export interface ConfigProblem {
  /** Where in the file, e.g. `upstreams.ehr.url`; empty for the whole file. */
  readonly path: string;
  /** 1-based line of the file, where it is known. */
  readonly line: number | undefined;
  /** What is wrong and what is wanted; never a value of the file, which could be a secret put in the wrong place. */
  readonly message: string;
}

export type ConfigCode = 'unreadable' | 'not-yaml' | 'invalid';

/** The configuration cannot be used; `problems` names everything that is wrong with it at once. */
export class ConfigError extends AppError<ConfigCode> {
  readonly problems: readonly ConfigProblem[];

  constructor(code: ConfigCode, file: string, problems: readonly ConfigProblem[], options?: { cause?: unknown }) {
    super(code, problems.map((problem) => formatProblem(file, problem)).join('\n'), options);
    this.problems = problems;
  }
}

function formatProblem(file: string, problem: ConfigProblem): string {
  const place = problem.line === undefined ? file : `${file}:${problem.line}`;
  return problem.path === '' ? `${place}: ${problem.message}` : `${place}: ${problem.path}: ${problem.message}`;
}
