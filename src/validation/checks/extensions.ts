/** Extensions: their definition, where they may stand, whether they may modify (http://hl7.org/fhir/R4/extensibility.html). */
import type { CompiledProfile } from '../compile/profile-parts.ts';
import { isObject, objects, type ElementNode } from '../compile/element-tree.ts';
import type { Definition, PackageScope } from '../packages/definitions.ts';
import { isAbsoluteUri } from '../primitives/scanners.ts';
import { canonicalResources } from './canonical-resources.ts';
import { isExampleUrl } from './known-urls.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

export interface ExtensionParts {
  readonly scope: PackageScope;
  compile(definition: Definition): CompiledProfile | undefined;
  tree(definition: Definition): ElementNode | undefined;
  ancestors(type: string): readonly string[];
  /** Whether the element at the place is among the results of a FHIRPath expression; undefined when that cannot be told. */
  selects?(expression: string, c: CheckContext): boolean | undefined;
}

interface KnownExtension {
  readonly definition: Definition;
  readonly profile: CompiledProfile | undefined;
  readonly modifier: boolean;
  readonly contexts: readonly { readonly type: string; readonly expression: string }[];
  /** URLs of the parts it defines, undefined for one with a value. */
  readonly partUrls: ReadonlySet<string> | undefined;
}

function rule(id: string, text: string): Rule {
  return { id, severity: 'error', code: 'structure', text };
}

const unknownRule = rule('extension-unknown', 'No loaded package defines this extension');
const crossVersionRule: Rule = {
  ...rule(
    'extension-cannot-tell',
    'The extension is an element of another FHIR version, whose definitions are not loaded',
  ),
  severity: 'warning',
};
const partRule = rule('extension-part-unknown', 'The extension that this is part of does not define it');
const modifierRule = rule(
  'extension-not-modifier',
  'The extension is defined as one that does not modify, so it must stand in extension',
);
const isModifierRule = rule(
  'extension-modifier',
  'The extension modifies meaning, so it must stand in modifierExtension',
);
const contextRule = rule('extension-context', 'The extension is not allowed here');
const exclusiveRule: Rule = {
  id: 'invariant:ext-1',
  severity: 'error',
  code: 'invariant',
  text: 'ext-1: Must have either extensions or value[x], not both',
};
const relativeRule = rule('extension-url-relative', 'An extension URL must be absolute');

/** Marks that publishing tools leave in definitions and examples. */
const tooling = ['http://hl7.org/fhir/tools/'];

/** Names that publishing tools give to examples: known without a definition, with the value each must have. */
const instanceMarks: ReadonlyMap<string, string> = new Map([
  ['http://hl7.org/fhir/StructureDefinition/instance-name', 'valueString'],
  ['http://hl7.org/fhir/StructureDefinition/instance-description', 'valueMarkdown'],
]);
const instanceMarkRule = rule('choice-type', 'The type of the value is not the one that the extension has');

const maximumRemembered = 5_000;

export class ExtensionChecks {
  private readonly parts: ExtensionParts;
  private readonly known = new Map<PackageScope, Map<string, KnownExtension | undefined>>();
  private readonly described = new Map<Definition, KnownExtension>();

  constructor(parts: ExtensionParts) {
    this.parts = parts;
  }

  /** Whether instances of the extension are judged by this very definition wherever they stand in the resource at hand. */
  judges(definition: Definition, c: CheckContext): boolean {
    return this.lookup(definition.url, c).some((found) => found.definition === definition);
  }

  /** The place is at the extension. */
  check(value: JsonObject, c: CheckContext, modifier: boolean): void {
    const url = value['url'];
    this.checkExclusive(value, c);
    if (typeof url !== 'string' || url === '') return;
    const parent = c.factsAt(c.depth - 2);
    if (!isAbsoluteUri(url)) {
      if (parent?.type !== 'Extension') c.report(relativeRule, '.url', url);
      return;
    }
    const all = this.lookup(url, c);
    if (all.length === 0) {
      const valueKey = instanceMarks.get(url);
      if (valueKey === undefined) this.reportUnknown(url, c);
      else if (value[valueKey] === undefined) c.report(instanceMarkRule, '', url);
      return;
    }
    for (const found of all) this.checkKnown(value, found, c, modifier);
  }

  private checkKnown(value: JsonObject, found: KnownExtension, c: CheckContext, modifier: boolean): void {
    const url = found.definition.url;
    const parent = c.factsAt(c.depth - 2);
    if (modifier && !found.modifier) c.report(modifierRule, '', url);
    else if (!modifier && found.modifier && parent?.type !== 'Extension') c.report(isModifierRule, '', url);
    if (!this.isAllowedHere(found, c))
      c.report(
        {
          ...contextRule,
          text: `The extension is allowed on ${found.contexts.map((context) => context.expression).join(', ')} only`,
        },
        '',
        url,
      );
    this.checkParts(value, found, c);
    found.profile?.check(value, c);
  }

  /** ext-1. */
  private checkExclusive(value: JsonObject, c: CheckContext): void {
    let hasValue = false;
    for (const key in value) if (key.startsWith('value') || key.startsWith('_value')) hasValue = true;
    if (hasValue === (value['extension'] !== undefined)) c.report(exclusiveRule);
  }

  private reportUnknown(url: string, c: CheckContext): void {
    if (/^http:\/\/hl7\.org\/fhir\/[1-9]\.\d\/StructureDefinition\/extension-/.test(url)) {
      c.report(crossVersionRule, '', url);
      return;
    }
    const { settings } = c.services;
    if (tooling.some((start) => url.startsWith(start)) || (settings.allowExamples && isExampleUrl(url))) return;
    if (settings.allowedExtensionDomains.some((domain) => domain === '*' || url.startsWith(domain))) return;
    c.report(unknownRule, '', url);
  }

  private checkParts(value: JsonObject, found: KnownExtension, c: CheckContext): void {
    const { partUrls } = found;
    if (partUrls === undefined) return;
    const nested = value['extension'];
    if (!Array.isArray(nested)) return;
    nested.forEach((part: unknown, at) => {
      const url = isObject(part) ? part['url'] : undefined;
      if (typeof url === 'string' && !isAbsoluteUri(url) && !partUrls.has(url))
        c.report(partRule, `.extension[${at}]`, url);
    });
  }

  /** What the packages of the resource's profiles mean by the URL; where none of them knows it, the newest loaded. */
  private lookup(url: string, c: CheckContext): KnownExtension[] {
    const own = c.scopes.flatMap((scope) => this.lookupIn(scope, url) ?? []);
    if (own.length > 0) return own.length === 1 ? own : [...new Set(own)];
    const anywhere = this.lookupIn(this.parts.scope, url);
    return anywhere === undefined ? [] : [anywhere];
  }

  private lookupIn(scope: PackageScope, url: string): KnownExtension | undefined {
    let known = this.known.get(scope);
    if (known === undefined) this.known.set(scope, (known = new Map()));
    if (known.has(url)) return known.get(url);
    const definition = url.includes('|') ? undefined : scope.resolve(url, 'StructureDefinition');
    const found =
      definition === undefined || definition.constrainedType !== 'Extension'
        ? undefined
        : (this.described.get(definition) ?? this.describe(definition));
    if (known.size < maximumRemembered) known.set(url, found);
    return found;
  }

  private describe(definition: Definition): KnownExtension {
    const root = this.parts.tree(definition);
    const slices = root?.children.find((child) => child.name === 'extension')?.slices ?? [];
    const urls = slices.flatMap((slice) => slice.children.find((child) => child.name === 'url')?.fixed?.value ?? []);
    const known: KnownExtension = {
      definition,
      profile: this.parts.compile(definition),
      modifier: root?.isModifier === true,
      contexts: objects(definition.resource['context']).map((context) => ({
        type: String(context['type']),
        expression: String(context['expression']),
      })),
      partUrls: urls.length === 0 ? undefined : new Set(urls.map(String)),
    };
    this.described.set(definition, known);
    return known;
  }

  private isAllowedHere(found: KnownExtension, c: CheckContext): boolean {
    if (found.contexts.length === 0) return true;
    return found.contexts.some(({ type, expression }) => {
      if (type === 'extension') return this.isInExtension(expression, c);
      if (type === 'fhirpath') return this.parts.selects?.(expression, c) ?? true;
      return this.isElement(expression, c);
    });
  }

  private isInExtension(url: string, c: CheckContext): boolean {
    void url;
    return c.factsAt(c.depth - 2)?.type === 'Extension';
  }

  /** Whether the element that carries the extension is what a context of type `element` names: a type, or a path from any type around it. */
  private isElement(expression: string, c: CheckContext): boolean {
    const wanted = expression.includes('#') ? expression.slice(expression.indexOf('#') + 1) : expression;
    if (wanted === 'Element' || wanted === 'Base') return true;
    const plain = wanted.replaceAll('[x]', '');
    let level = c.depth - 2;
    const facts = c.factsAt(level);
    if (facts === undefined) return true;
    if (plain === facts.path.replaceAll('[x]', '') || this.isOfType(facts.type, plain)) return true;
    // From here up to the resource: HumanName.family stands at Patient.name.family as well.
    let tail = '';
    for (; level > 0; level--) {
      const own = c.factsAt(level);
      if (own === undefined || own.path === own.type) break;
      tail = own.path.slice(own.path.lastIndexOf('.')).replaceAll('[x]', '') + tail;
      const above = c.factsAt(level - 1);
      if (above === undefined) break;
      if (above.path.replaceAll('[x]', '') + tail === plain) return true;
      if ([above.type, ...this.parts.ancestors(above.type)].some((type) => type + tail === plain)) return true;
    }
    return false;
  }

  private isOfType(type: string, wanted: string): boolean {
    if (type === wanted || this.parts.ancestors(type).includes(wanted)) return true;
    // Names of later versions and of HL7's own tooling for groups of resources.
    return (wanted === 'CanonicalResource' || wanted === 'MetadataResource') && canonicalResources.has(type);
  }
}
