/** A FHIR Parameters resource as plain values: what a name has once is that value; parts are lists of such objects. */
export interface PlainParameters {
  readonly values: Readonly<Record<string, unknown>>;
  readonly parts: readonly { readonly name: string; readonly values: Readonly<Record<string, unknown>> }[];
}

interface Parameter {
  readonly name: string;
  readonly part?: readonly Parameter[];
}

export function plainParameters(body: unknown): PlainParameters {
  const { parameter = [] } = body as { parameter?: readonly Parameter[] };
  return {
    values: valuesOf(parameter.filter(({ part }) => part === undefined)),
    parts: parameter.flatMap(({ name, part }) => (part === undefined ? [] : [{ name, values: valuesOf(part) }])),
  };
}

function valuesOf(parameters: readonly Parameter[]): Record<string, unknown> {
  return Object.fromEntries(
    parameters.map((one) => [one.name, Object.entries(one).find(([key]) => key.startsWith('value'))?.[1]]),
  );
}
