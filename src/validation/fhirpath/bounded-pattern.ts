import { FhirPathError } from './fhirpath-error.ts';

/** A regular expression of untrusted origin that cannot hang on any text. */
export interface BoundedPattern {
  test(value: string): boolean;
  replace(value: string, substitution: string): string;
}

const maximumPatternLength = 2000;
/** A pattern that may backtrack is given so much text and no more. */
const maximumRiskyLength = 200;
const maximumPlainLength = 1_100_000;

/** Whether a repeated group itself repeats something, or two repetitions may share what they match: where backtracking can explode. */
const risky = /[*+}]\??\)[*+{]|\)[*+{]|(?:\.[*+].*){3}/;

/**
 * Compiles with the Unicode flag where the pattern allows it. A risky pattern is only tried on short texts.
 * @throws {FhirPathError} evaluation, for what is no pattern
 */
export function boundedPattern(expression: string): BoundedPattern {
  if (expression.length > maximumPatternLength) throw new FhirPathError('evaluation', 'the pattern is too long');
  return make(expression);
}

function make(expression: string): BoundedPattern {
  const compiled = compile(expression, 's');
  const global = compile(expression, 'gs');
  const limit = risky.test(expression) ? maximumRiskyLength : maximumPlainLength;
  const check = (value: string): void => {
    if (value.length > limit) throw new FhirPathError('evaluation', 'the text is too long for this pattern');
  };
  return {
    test(value) {
      check(value);
      return compiled.test(value);
    },
    replace(value, substitution) {
      check(value);
      // Nothing is not found anywhere.
      if (expression === '') return value;
      return value.replace(global, substitution.replaceAll('$0', '$$&'));
    },
  };
}

function compile(expression: string, flags: string): RegExp {
  try {
    return new RegExp(expression, flags + 'u');
  } catch {
    // Java's syntax allows escapes that the Unicode flag forbids (`\-`, `\/`).
    try {
      return new RegExp(expression, flags);
    } catch (cause) {
      throw new FhirPathError('evaluation', 'not a regular expression', { cause });
    }
  }
}
