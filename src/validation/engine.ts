/** The validator: packages, terminology and a policy in, findings on instances out. Everything is compiled when first needed and kept. */
import { checkBundle } from './checks/bundle.ts';
import { canonicalResources, checkCanonical, checkCanonicalUrl } from './checks/canonical-resources.ts';
import { checkCoding } from './checks/coding.ts';
import { checkContained } from './checks/contained.ts';
import { ExtensionChecks } from './checks/extensions.ts';
import { checkElementId } from './checks/element-id.ts';
import { checkIdentifier, checkQuantity } from './checks/identifier.ts';
import { KnownUrls } from './checks/known-urls.ts';
import { checkBase64Characters, checkIntegerText, checkTimeFraction } from './checks/primitives.ts';
import { BundleIndex, checkReference, resolveInside, resolveReference } from './checks/references.ts';
import { CheckContext, type Finding, type JsonObject, type Rule } from './checks/report.ts';
import { ResourceChecks } from './checks/resource.ts';
import type { CheckServices, CheckSettings } from './checks/services.ts';
import { contentRules } from './checks/type-rules.ts';
import { createBaseChecks, type BaseChecks } from './compile/base-checks.ts';
import type { ValueCheck } from './compile/constraints.ts';
import { isObject, type ElementType } from './compile/element-tree.ts';
import type { CompiledProfile } from './compile/profile-parts.ts';
import { ProfileCompiler } from './compile/profile.ts';
import { holdsQuietly } from './compile/type-profiles.ts';
import { impliedType, targetsCheck, type TargetParts } from './compile/reference-targets.ts';
import { createTypeModel, type ElementInfo, type TypeInfo, type TypeModel } from './compile/type-model.ts';
import { IssueMaker } from './issues.ts';
import type { PackageScope, PackageSet } from './packages/definitions.ts';
import type { Policy } from './policy.ts';
import { readSource } from './source/source.ts';
import { settleRemotely } from './terminology/remote-findings.ts';
import type { WhenDown } from './terminology/remote-findings.ts';
import type { RemoteTerminology } from './terminology/remote.ts';
import type { Terminology } from './terminology/terminology.ts';
import type { ValidationReport, Validator } from './validator.ts';

/** Name and version of the rules, for outcomes and records; raised whenever a verdict may change. */
export const engineName = 'concordat-validation 1';

export interface EngineOptions {
  readonly scope: PackageScope;
  readonly terminology: Terminology;
  readonly settings: CheckSettings;
  readonly resolveReference?: ((reference: string) => JsonObject | undefined) | undefined;
  /** Where `new Function` is forbidden: closures only. */
  readonly withoutEval?: boolean;
}

export interface EngineResult {
  readonly findings: readonly Finding[];
  /** `url|version` of what was applied. */
  readonly profiles: readonly string[];
}

export class Engine {
  readonly model: TypeModel;
  private readonly options: EngineOptions;
  private readonly services: CheckServices;
  private readonly base: BaseChecks;
  private readonly profiles: ProfileCompiler;
  private readonly resources: ResourceChecks;
  private readonly extensions: ExtensionChecks;
  private readonly urls: KnownUrls;
  private readonly bundles = new BundleIndex();

  constructor(options: EngineOptions) {
    const { scope, terminology, settings } = options;
    this.options = options;
    this.services = { scope, terminology, settings, resolveReference: options.resolveReference };
    this.model = createTypeModel(scope);
    this.urls = new KnownUrls(scope);
    const withoutEval = options.withoutEval === true;
    const shared = {
      model: this.model,
      terminology,
      bestPractice: settings.bestPractice,
      withoutEval,
      referenceCheck: (types: readonly ElementType[], typeCode: string, within: PackageScope, profile: string) =>
        typeCode === 'Reference' ? targetsCheck(types, within, profile, this.targetParts) : undefined,
    };
    this.profiles = new ProfileCompiler({
      ...shared,
      judgesExtension: (definition, c) => this.extensions.judges(definition, c),
      discriminators: (within) => ({
        model: this.model,
        terminology,
        scope: within,
        conforms: this.targetParts.conforms,
        resolveReference: (value, c) => this.resolveValue(value, c),
        typeOfReference: (value, c) => this.typeOfReference(value, c),
      }),
    });
    this.extensions = new ExtensionChecks({
      scope,
      compile: (definition) => this.profiles.profile(definition),
      tree: (definition) => this.model.tree(definition),
      ancestors: (type) => this.model.type(type)?.ancestors ?? [],
    });
    this.base = createBaseChecks({
      ...shared,
      typeRules: (info) => this.typeRules(info),
      primitiveRules: (type, element) => this.primitiveRules(type, element),
      extension: (value, c, modifier) => this.extensions.check(value, c, modifier),
      resource: (value, c, element) => {
        const isContained = element.name === 'contained';
        if (!isContained || settings.checkContained) this.resources.checkInside(value, c, isContained);
      },
    });
    this.resources = new ResourceChecks({
      type: (name) => this.base.type(name),
      profile: (canonical) => this.profiles.resolve(canonical, scope),
    });
  }

  /** All findings on one parsed resource. @param required canonicals of profiles that must hold beside the declared ones */
  check(resource: unknown, required: readonly string[] = [], lexemeAt?: CheckContext['lexemeAt']): EngineResult {
    if (!isObject(resource))
      return { findings: [{ rule: noResourceRule, expression: '', found: undefined }], profiles: [] };
    const c = this.context(resource, false);
    const applied = new Set<string>();
    c.lexemeAt = lexemeAt;
    c.applied = applied;
    const profiles = this.requiredProfiles(required, c);
    for (const profile of profiles) applied.add(profile.canonical);
    this.resources.check(resource, c, profiles);
    return { findings: c.findings, profiles: [...applied] };
  }

  /** Yes or no, stopping where no is certain. */
  test(resource: unknown, required: readonly string[] = []): boolean {
    if (!isObject(resource)) return false;
    const c = this.context(resource, true);
    const profiles = this.requiredProfiles(required, c);
    this.resources.check(resource, c, profiles);
    return !c.failed;
  }

  private context(resource: JsonObject, quiet: boolean): CheckContext {
    const type = resource['resourceType'];
    const c = new CheckContext(this.services, resource, { quiet, start: typeof type === 'string' ? type : '' });
    c.resolve = (reference) => resolveReference(reference, c, this.bundles);
    c.memberOf = (valueSet, system, code) =>
      this.options.terminology.valueSet(valueSet, this.options.scope).has(system, code);
    c.conformsTo = (value, profile) => this.targetParts.conforms(value, profile, this.options.scope, c);
    return c;
  }

  private requiredProfiles(required: readonly string[], c: CheckContext): CompiledProfile[] {
    return required.flatMap((canonical) => {
      const profile = this.profiles.resolve(canonical, this.options.scope);
      if (profile === undefined)
        c.report({ ...unusableRule, text: `The profile ${canonical} is not loaded or cannot be used` });
      return profile ?? [];
    });
  }

  private readonly targetParts: TargetParts = {
    resolve: (reference, c) =>
      c.services.settings.checkTargets
        ? resolveReference(reference, c, this.bundles)
        : resolveInside(reference, c, this.bundles),
    ancestors: (type) => this.model.type(type)?.ancestors ?? [],
    conforms: (value, canonical, scope, c) => {
      const profile = this.profiles.resolve(canonical, scope);
      if (profile === undefined) return undefined;
      if (isObject(value) && value['resourceType'] !== undefined) {
        const type = String(value['resourceType']);
        if (type !== profile.typeName && !(this.model.type(type)?.ancestors ?? []).includes(profile.typeName))
          return false;
      }
      return c.remember(value, profile, () => this.conformsNow(profile, value, c));
    },
  };

  private conformsNow(profile: CompiledProfile, value: unknown, c: CheckContext): boolean {
    if (!isObject(value) || value['resourceType'] === undefined) return holdsQuietly(profile.check, value, c);
    const { resource, container } = c;
    c.resource = value;
    const contained = container['contained'];
    if (!(Array.isArray(contained) && contained.includes(value))) c.container = value;
    const holds = holdsQuietly(profile.check, value, c);
    c.resource = resource;
    c.container = container;
    return holds;
  }

  private resolveValue(value: unknown, c: CheckContext): JsonObject | undefined {
    const reference = isObject(value) ? value['reference'] : value;
    return typeof reference === 'string' ? resolveReference(reference, c, this.bundles) : undefined;
  }

  private typeOfReference(value: unknown, c: CheckContext): string | undefined {
    const found = this.resolveValue(value, c);
    if (found !== undefined) return typeof found['resourceType'] === 'string' ? found['resourceType'] : undefined;
    return isObject(value) ? impliedType(value, c, this.targetParts) : undefined;
  }

  private typeRules(info: TypeInfo): ValueCheck[] {
    const rules: ValueCheck[] = [];
    if (info.name === 'Coding') rules.push((value, c) => checkCoding(value, c, this.options.scope));
    if (info.name === 'Reference') rules.push(checkReference);
    if (info.name === 'Identifier') rules.push(checkIdentifier);
    const content = contentRules.get(info.name);
    if (content !== undefined) rules.push(content);
    if (info.name === 'Quantity' || info.ancestors.includes('Quantity')) rules.push(checkQuantity);
    if (info.name === 'Bundle') rules.push(checkBundle);
    if (info.ancestors.includes('DomainResource')) rules.push(checkContained);
    return rules;
  }

  private primitiveRules(type: string, element: ElementInfo): ValueCheck[] {
    const { path } = element.node;
    if (type === 'integer' || type === 'positiveInt' || type === 'unsignedInt') return [checkIntegerText];
    if (type === 'time') return [checkTimeFraction];
    if (type === 'canonical') return [checkCanonical];
    if (path.endsWith('.id')) return type === 'id' || path === 'ElementDefinition.id' ? [] : [checkElementId];
    if (type === 'base64Binary') return [checkBase64Characters];
    if ((type !== 'uri' && type !== 'url') || path === 'Bundle.entry.fullUrl') return [];
    if (path.endsWith('.url') && canonicalResources.has(path.slice(0, -4))) return [checkCanonicalUrl];
    return [(value, c) => this.urls.check(value, c)];
  }
}

const noResourceRule: Rule = {
  id: 'not-an-object',
  severity: 'fatal',
  code: 'structure',
  text: 'A resource must be a JSON object',
};
const unusableRule: Rule = { id: 'profile-unusable', severity: 'error', code: 'not-found', text: '' };

export interface ValidatorParts {
  readonly packages: PackageSet;
  readonly terminology: Terminology;
  readonly policy: Policy;
  readonly resolveReference?: (reference: string) => JsonObject | undefined;
  readonly withoutEval?: boolean;
  /** Asked what cannot be told offline; then `validate` answers with a promise wherever there was such a question. */
  readonly remote?: { readonly terminology: RemoteTerminology; readonly whenDown: WhenDown } | undefined;
}

/** The seam's validator over one engine. */
export function createValidator(parts: ValidatorParts): Validator {
  const { packages, policy } = parts;
  const maker = new IssueMaker(policy);
  const engine = new Engine({
    scope: packages.root,
    terminology: parts.terminology,
    settings: policy.settings,
    resolveReference: parts.resolveReference,
    withoutEval: parts.withoutEval === true,
  });
  return {
    context: { packages: packages.packages.map((loaded) => `${loaded.id}#${loaded.version}`), engine: engineName },
    validate(request) {
      const source = request.text === undefined ? undefined : readSource(request.text);
      const resource = source === undefined ? request.resource : source.value;
      const result =
        source !== undefined && source.value === undefined
          ? noResult
          : engine.check(resource, request.profiles ?? [], source?.lexemeAt);
      const findings = source === undefined ? result.findings : [...source.findings, ...result.findings];
      const type = isObject(resource) ? resource['resourceType'] : undefined;
      const report = (settled: readonly Finding[]): ValidationReport => {
        const issues = maker.issues(settled, source);
        return {
          valid: issues.every((issue) => issue.severity !== 'error' && issue.severity !== 'fatal'),
          issues,
          resourceType: typeof type === 'string' ? type : undefined,
          profiles: result.profiles,
        };
      };
      const { remote } = parts;
      if (remote === undefined || findings.every(({ rule }) => rule.question === undefined)) return report(findings);
      return settleRemotely(findings, remote.terminology, remote.whenDown).then(report);
    },
  };
}

const noResult: EngineResult = { findings: [], profiles: [] };
