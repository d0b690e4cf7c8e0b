import type { Answer } from '../terminology/answers.ts';

/** What an expression may ask of the world around its focus. Plain JSON in, plain JSON out. */
export interface FhirPathEnvironment {
  /** `%resource`: the resource that the focus is in; a contained resource is its own. */
  readonly resource: unknown;
  /** `%rootResource`: the resource that contains `resource`, or itself. */
  readonly rootResource: unknown;
  /** The resource that a reference (or canonical) names; undefined where there is none or it cannot be told. */
  readonly resolve?: ((reference: string) => unknown) | undefined;
  /** `memberOf()`: one coding, or a bare code without system. */
  readonly memberOf?: ((valueSet: string, system: string | undefined, code: string) => Answer) | undefined;
  /** The clock of `now()` and `today()`; the system's where none is given. */
  readonly now?: (() => Date) | undefined;
  /** `conformsTo()`: whether a resource or element meets a profile; undefined when the profile is not known. */
  readonly conformsTo?: ((value: unknown, profile: string) => boolean | undefined) | undefined;
}

/**
 * An invariant made ready: true when it holds. An empty result does not hold, one boolean is itself, anything else there holds,
 * as the HL7 validator has it; an expression that fails at run time (a second item where one is allowed) does not hold.
 * Pure and reentrant.
 * @param focus plain JSON of the element; undefined for a primitive without a value
 * @param sibling the `_name` object of a primitive element, where there is one
 */
export type Invariant = (focus: unknown, environment: FhirPathEnvironment, sibling?: unknown) => boolean;
