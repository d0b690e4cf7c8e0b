/** Agreement on valid or invalid with recorded verdicts: `node scripts/oracle-agreement.ts --set DIR [--name SET] [--show N] [--packages-dir DIR]`. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { loadPackages } from '../src/validation/packages/load-packages.ts';
import { createValidatorFor } from '../src/validation/validator-factory.ts';
import type { ValidationIssue, Validator } from '../src/validation/validator.ts';

interface Verdict {
  readonly n: number;
  readonly valid: boolean;
  readonly errors: readonly { readonly path: string; readonly id: string | null; readonly text: string }[];
  readonly undecided?: readonly unknown[];
}

interface Input {
  readonly n: number;
  readonly id: string;
  readonly resource: { readonly resourceType?: string };
}

function readLines<T>(file: string): T[] {
  const bytes = readFileSync(file);
  const text = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString();
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
}

const { values } = parseArgs({
  options: {
    verdicts: { type: 'string' },
    inputs: { type: 'string' },
    package: { type: 'string', multiple: true },
    'packages-dir': { type: 'string' },
    show: { type: 'string', default: '20' },
    only: { type: 'string' },
    group: { type: 'boolean', default: false },
  },
});
if (values.verdicts === undefined || values.inputs === undefined) throw new Error('give --verdicts FILE --inputs FILE');

const validators = new Map<string, Validator>();

async function validatorFor(packages: readonly string[]): Promise<Validator> {
  const key = packages.join(' ');
  let validator = validators.get(key);
  if (validator === undefined) {
    const set = await loadPackages({ packages, packagesDirectory: values['packages-dir'] });
    validator = createValidatorFor({ packages: set, policy: 'hl7' });
    validators.set(key, validator);
  }
  return validator;
}

const inputs = readLines<Input>(values.inputs);
const verdicts = new Map(readLines<Verdict>(values.verdicts).map((verdict) => [verdict.n, verdict]));
let counted = 0;
let agreed = 0;
let crashes = 0;
const wrong = new Map<string, { count: number; example: string }>();
const wrongLines: string[] = [];
let recall = 0;
let wanted = 0;
let precise = 0;
let told = 0;

const normal = (path: string): string =>
  path
    .replaceAll(/\/\*.*?\*\//g, '')
    .replaceAll(/\.ofType\((\w)(\w*)\)/g, (_all, first: string, rest: string) => first.toUpperCase() + rest);

const started = performance.now();
for (const input of inputs) {
  const verdict = verdicts.get(input.n);
  if (verdict === undefined) continue;
  const packages = values.package ?? [];
  const named = /^([^/~]+#[^/]+)\//.exec(input.id)?.[1];
  const validator = await validatorFor(named === undefined || packages.length > 0 ? packages : [named]);
  let valid: boolean;
  let errors: ValidationIssue[] = [];
  try {
    const report = await validator.validate({ resource: input.resource });
    valid = report.valid;
    errors = report.issues.filter((issue) => issue.severity === 'error' || issue.severity === 'fatal');
  } catch (error) {
    crashes++;
    valid = false;
    wrongLines.push(`crash ${input.id}: ${(error as Error).stack}`);
  }
  if (verdict.valid && (verdict.undecided?.length ?? 0) > 0) continue;
  counted++;
  const theirs = new Set(verdict.errors.map((error) => normal(error.path)));
  const mine = new Set(errors.map((error) => normal(error.expression ?? '')));
  wanted += theirs.size;
  told += mine.size;
  for (const path of theirs) if (mine.has(path)) recall++;
  for (const path of mine) if (theirs.has(path)) precise++;
  if (valid === verdict.valid) {
    agreed++;
    continue;
  }
  const reason = valid
    ? `accepts ${verdict.errors[0]?.id ?? 'null'}: ${verdict.errors[0]?.text.replaceAll(/'[^']*'/g, 'Q').slice(0, 80) ?? ''}`
    : `rejects ${errors[0]?.id ?? ''} ${errors[0]?.profile ?? ''} ${errors[0]?.expression?.replaceAll(/\[\d+\]/g, '') ?? ''}`;
  const known = wrong.get(reason);
  const example = `${input.id} ${valid ? `${verdict.errors[0]?.path}: ${verdict.errors[0]?.text}` : `${errors[0]?.expression}: ${errors[0]?.text}`}`;
  if (known === undefined) wrong.set(reason, { count: 1, example });
  else known.count++;
}
const seconds = (performance.now() - started) / 1000;
for (const line of wrongLines.slice(0, 5)) console.log(line);
for (const [reason, { count, example }] of [...wrong]
  .sort((left, right) => right[1].count - left[1].count)
  .slice(0, Number(values.show)))
  console.log(`${count}\t${reason}\n\t\t${example.slice(0, 300)}`);
console.log(
  `agreement ${((100 * agreed) / counted).toFixed(3)} % of ${counted}; crashes ${crashes}; locations recall ${((100 * recall) / wanted).toFixed(1)} %, precision ${((100 * precise) / told).toFixed(1)} %; ${(inputs.length / seconds).toFixed(0)} resources/s with loading`,
);
