import type { Answer, CodingVerdict, CompiledValueSet, Terminology } from './answers.ts';

export type { Terminology } from './answers.ts';

export function createTerminology(): Terminology {
  return {
    valueSet(canonical): CompiledValueSet {
      return { canonical, known: false, unresolved: [canonical], has: () => 'cannot-tell', size: 0, sample: () => [] };
    },
    checkCoding(): CodingVerdict {
      return {
        system: 'unknown',
        code: 'cannot-tell',
        display: 'cannot-tell',
        displays: [],
        inactive: false,
        abstract: false,
        systemStatus: undefined,
      };
    },
    checkUnit: (): Answer => 'cannot-tell',
    checkLanguage: (): Answer => 'cannot-tell',
    checkMimeType: (): Answer => 'cannot-tell',
  };
}
