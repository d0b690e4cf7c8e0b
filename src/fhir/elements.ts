import table from './elements.json' with { type: 'json' };

/** The elements of R4's types, from `elements.json` (made by `scripts/generate-elements.ts` out of hl7.fhir.r4.core 4.0.1). */
export interface ElementInfo {
  /** `Patient.contact` for a backbone element; several for a choice. */
  readonly types: readonly string[];
  readonly repeats: boolean;
  readonly isChoice: boolean;
}

const TABLE = table as unknown as Readonly<Record<string, Readonly<Record<string, string>>>>;

/** An element of a type by its FHIRPath name (`value`, not `valueQuantity`); undefined where the type has none. */
export function elementOf(type: string, name: string): ElementInfo | undefined {
  const text = Object.hasOwn(TABLE, type) ? TABLE[type] : undefined;
  const element = text !== undefined && Object.hasOwn(text, name) ? text[name] : undefined;
  if (element === undefined) return undefined;
  const isChoice = element.startsWith('?');
  const repeats = element.endsWith('*');
  return { types: element.slice(isChoice ? 1 : 0, repeats ? -1 : undefined).split('|'), repeats, isChoice };
}

/** The JSON member that holds a choice element of a type: `value` and `Quantity` make `valueQuantity`. */
export function choiceMember(name: string, type: string): string {
  return name + capitalised(type);
}

/** The type that a choice element's JSON member carries; undefined where the member is not of this element. */
export function choiceType(name: string, info: ElementInfo, member: string): string | undefined {
  if (!member.startsWith(name) || member.length === name.length) return undefined;
  const suffix = member.slice(name.length);
  if (info.types.includes('any')) return /^[A-Z]/.test(suffix) ? suffix : undefined;
  return info.types.find((type) => capitalised(type) === suffix);
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
