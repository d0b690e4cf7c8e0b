import { configJsonSchema } from '../src/config/json-schema.ts';

/** The table of `docs/configuration.md`, made from the configuration's own schema. */
interface Schema {
  readonly type?: string;
  readonly description?: string | undefined;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
}

export function configurationTable(): string {
  const rows = rowsOf('', configJsonSchema() as Schema, true);
  return ['| setting | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function rowsOf(path: string, schema: Schema, required: boolean): string[] {
  if (path === 'ledger.cosignatureTopic') return [row(path, 'as `ledger.topic`', schema, required)];
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices !== undefined && isSecret(choices)) return [row(path, '`{file: …}` or `{env: …}`', schema, required)];
  if (choices !== undefined) {
    const tag = choices[0]?.properties?.kind === undefined ? 'mode' : 'kind';
    const names = choices.map((choice) => String(choice.properties?.[tag]?.const)).join(', ');
    const tagRow = row(`${path}.${tag}`, names, { ...schema, default: defaultOf(schema, tag) }, required);
    return [tagRow, ...choices.flatMap((choice) => memberRows(path, choice, (name) => name !== tag))];
  }
  if (schema.properties !== undefined)
    return [
      ...(path !== '' && schema.description !== undefined ? [row(path, '', schema, required)] : []),
      ...memberRows(path, schema, () => true),
    ];
  if (typeof schema.additionalProperties === 'object')
    return [row(path, 'by name', schema, required), ...rowsOf(`${path}.NAME`, schema.additionalProperties, true)];
  if (schema.items?.properties !== undefined)
    return [
      row(path, 'list', schema, required),
      ...rowsOf(`${path}[]`, { ...schema.items, description: undefined }, true),
    ];
  return [row(path, valueOf(schema), schema, required)];
}

function memberRows(path: string, schema: Schema, wanted: (name: string) => boolean): string[] {
  const members = Object.entries(schema.properties ?? {}).filter(([name]) => wanted(name));
  return members.flatMap(([name, member]) =>
    rowsOf(path === '' ? name : `${path}.${name}`, member, schema.required?.includes(name) === true),
  );
}

function isSecret(choices: readonly Schema[]): boolean {
  return choices.some((choice) => choice.properties?.env !== undefined);
}

function defaultOf(schema: Schema, tag: string): unknown {
  return (schema.default as Record<string, unknown> | undefined)?.[tag];
}

function valueOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.join(', ');
  if (schema.items?.enum !== undefined) return `list of ${schema.items.enum.join(', ')}`;
  if (schema.type === 'array') return 'list';
  if (schema.type !== 'integer') return schema.type ?? '';
  return schema.maximum === Number.MAX_SAFE_INTEGER
    ? `${schema.minimum} and more`
    : `${schema.minimum} – ${schema.maximum}`;
}

function row(path: string, value: string, schema: Schema, required: boolean): string {
  const standard =
    schema.default === undefined || (typeof schema.default === 'object' && !Array.isArray(schema.default))
      ? required
        ? '*needed*'
        : ''
      : `\`${JSON.stringify(schema.default)}\``;
  return `| \`${path}\` | ${value} | ${standard} | ${(schema.description ?? '').replaceAll('|', '\\|')} |`;
}
