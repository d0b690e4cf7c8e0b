import { FhirPathError } from './fhirpath-error.ts';
import { automaton } from './pattern-automaton.ts';

/** A regular expression of untrusted origin that cannot hang on any text. */
export interface BoundedPattern {
  /** Whether some part of the text matches. */
  test(value: string): boolean;
  /** @throws {FhirPathError} evaluation, where replacing could take too long */
  replace(value: string, substitution: string): string;
}

const maximumPatternLength = 5000;
/** Text up to which a pattern with one open repetition may try every start. */
const maximumBacktrackLength = 4000;

/**
 * The platform's engine where it cannot backtrack much, an automaton otherwise.
 * @throws {FhirPathError} evaluation, for what is no pattern
 */
export function boundedPattern(expression: string): BoundedPattern {
  if (expression.length > maximumPatternLength) throw new FhirPathError('evaluation', 'the pattern is too long');
  const compiled = compile(expression, 's');
  const risk = backtracking(expression);
  let slow: ((text: string) => boolean) | undefined;
  return {
    test(value) {
      if (risk === 'none' || (risk === 'some' && value.length <= maximumBacktrackLength)) return compiled.test(value);
      slow ??= automaton(expression);
      return slow(value);
    },
    replace(value, substitution) {
      // Nothing is not found anywhere.
      if (expression === '') return value;
      if (risk === 'much' || (risk === 'some' && value.length > maximumBacktrackLength)) {
        throw new FhirPathError('evaluation', 'a pattern that could take too long');
      }
      return value.replace(compile(expression, 'gs'), substitution.replaceAll('$0', '$$&'));
    },
  };
}

/** A repetition of a group can explode; one of single units costs the square of the text, two the cube. */
function backtracking(expression: string): 'none' | 'some' | 'much' {
  const plain = expression.replace(/\\./gs, '_').replace(/\[\^?\]?[^\]]*\]/g, '_');
  if (/\)(?:[*+]|\{\d*,?\d*\})/.test(plain)) return 'much';
  const open = plain.match(/[*+]|\{\d+,\d*\}/g)?.length ?? 0;
  return open === 0 ? 'none' : open === 1 ? 'some' : 'much';
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
