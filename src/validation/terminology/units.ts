import { createRequire } from 'node:module';
import type { Answer } from './answers.ts';
import { memoised } from './grammar-systems.ts';

interface UcumUtilities {
  validateUnitString(
    unit: string,
    suggest?: boolean,
  ): { status: 'valid' | 'invalid' | 'error'; ucumCode: string | null };
}

const load = createRequire(import.meta.url);
/** Longer texts are no units, and the parser is not made for them. */
const maximumLength = 200;

/** Whether a text is a UCUM unit. The library takes some tenths of a second to load, so it is loaded at the first unit that is asked about. */
export function unitChecker(): (unit: string) => Answer {
  let utilities: UcumUtilities | undefined;
  return memoised((unit) => {
    if (unit === '' || unit.length > maximumLength || /[^\x21-\x7e]/.test(unit)) return 'no';
    utilities ??= (
      load('@lhncbc/ucum-lhc') as { UcumLhcUtils: { getInstance(): UcumUtilities } }
    ).UcumLhcUtils.getInstance();
    const { status, ucumCode } = utilities.validateUnitString(unit);
    // The library also takes names of units, and then says what code it took them for.
    if (status === 'error') return 'cannot-tell';
    return status === 'valid' && ucumCode === unit ? 'yes' : 'no';
  });
}
