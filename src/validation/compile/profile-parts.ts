/** The vocabulary that the parts of the profile compiler share. */
import type { CheckContext } from '../checks/report.ts';
import type { Definition, PackageScope } from '../packages/definitions.ts';
import type { Terminology } from '../terminology/answers.ts';
import type { ValueCheck } from './constraints.ts';
import type { DiscriminatorParts } from './discriminators.ts';
import type { ElementNode, ElementType } from './element-tree.ts';
import type { TypeInfo, TypeModel } from './type-model.ts';

export interface ProfileParts {
  readonly model: TypeModel;
  readonly terminology: Terminology;
  readonly bestPractice: boolean;
  readonly withoutEval: boolean;
  /** Whether extension instances are judged by the definition anyway, so that a slice with it need not repeat it. */
  judgesExtension(definition: Definition, c: CheckContext): boolean;
  /** Checks a Reference or canonical against its targets. */
  referenceCheck(
    types: readonly ElementType[],
    typeCode: string,
    scope: PackageScope,
    profile: string,
  ): ValueCheck | undefined;
  discriminators(scope: PackageScope): DiscriminatorParts;
}

export interface CompiledProfile {
  readonly definition: Definition;
  /** `url|version`. */
  readonly canonical: string;
  /** Type that the profile constrains. */
  readonly typeName: string;
  /** Runs on a value that is of that type, with the place at it. */
  readonly check: ValueCheck;
}

/** Where a node is compiled: in which profile, and what has been checked of it already. */
export interface NodeOptions {
  readonly canonical: string;
  readonly scope: PackageScope;
  readonly definition: Definition;
  readonly compiler: ContentCompiler;
  /** Definitions of the same element whose rules have been applied: the base type's, the unsliced element's. */
  readonly known: readonly ElementNode[];
}

/** What the parts of the compiler need of each other. */
export interface ContentCompiler {
  readonly parts: ProfileParts;
  resolve(canonical: string, scope: PackageScope): CompiledProfile | undefined;
  /** What a node asks of one item beyond what is known: its own value, then its children. */
  content(
    node: ElementNode,
    type: TypeInfo | undefined,
    typeCode: string,
    options: NodeOptions,
  ): ValueCheck | undefined;
}
