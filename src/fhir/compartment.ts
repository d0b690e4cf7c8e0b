import { PATIENT_COMPARTMENT_PATHS } from './compartment-paths.ts';
import { memberValue, type JsonNode } from './json-text.ts';

/** Splits the paths once; the table is constant. */
const PATHS: ReadonlyMap<string, readonly (readonly string[])[]> = new Map(
  Object.entries(PATIENT_COMPARTMENT_PATHS).map(([type, paths]) => [type, paths.map((path) => path.split('.'))]),
);

/** FHIR R4 `id`, after an optional base, with an optional version behind. */
const PATIENT_REFERENCE = /^(?:(.*)\/)?Patient\/([A-Za-z0-9.-]{1,64})(?:\/_history\/[A-Za-z0-9.-]{1,64})?$/;

/**
 * Logical ids of the Patients whose R4 compartment a resource is in, each once, in the order of the paths; a Patient's own id first.
 * Follows literal references only: relative ones, and absolute ones under `base`. What points elsewhere is no patient of this server.
 * @param resource plain value or parsed text; anything that is no resource is in no compartment
 * @param base URL of the server that holds the resource, without a final slash
 * @see http://hl7.org/fhir/R4/compartmentdefinition-patient.html
 */
export function patientsOf(resource: unknown, base?: string): string[] {
  return collect(plainReader, resource, base);
}

/** As `patientsOf`, over a node of parsed JSON text. */
export function patientsOfNode(resource: JsonNode, base?: string): string[] {
  return collect(nodeReader, resource, base);
}

/** The id of a Patient that a literal reference names on this server, or undefined. */
export function patientOfReference(reference: string, base?: string): string | undefined {
  const match = PATIENT_REFERENCE.exec(reference);
  if (match === null || (match[1] !== undefined && match[1] !== base)) return undefined;
  return match[2];
}

interface Reader<T> {
  member(value: T, key: string): T | undefined;
  items(value: T): readonly T[] | undefined;
  text(value: T | undefined): string | undefined;
}

const plainReader: Reader<unknown> = {
  member: (value, key) =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      ? (value as Record<string, unknown>)[key]
      : undefined,
  items: (value) => (Array.isArray(value) ? (value as unknown[]) : undefined),
  text: (value) => (typeof value === 'string' ? value : undefined),
};

const nodeReader: Reader<JsonNode> = {
  member: memberValue,
  items: (value) => (value.kind === 'array' ? value.items : undefined),
  text: (value) => (value?.kind === 'string' ? value.value : undefined),
};

function collect<T>(reader: Reader<T>, resource: T, base: string | undefined): string[] {
  const type = reader.text(reader.member(resource, 'resourceType'));
  if (type === undefined) return [];
  const patients: string[] = [];
  if (type === 'Patient') {
    const id = reader.text(reader.member(resource, 'id'));
    if (id !== undefined) patients.push(id);
  }
  for (const path of PATHS.get(type) ?? []) walk(reader, resource, path, 0, base, patients);
  return patients;
}

function walk<T>(
  reader: Reader<T>,
  value: T,
  path: readonly string[],
  step: number,
  base: string | undefined,
  patients: string[],
): void {
  const items = reader.items(value);
  if (items !== undefined) {
    for (const item of items) walk(reader, item, path, step, base, patients);
    return;
  }
  const key = path[step];
  const next = reader.member(value, key ?? 'reference');
  if (next === undefined) return;
  if (key !== undefined) {
    walk(reader, next, path, step + 1, base, patients);
    return;
  }
  const patient = patientOfReference(reader.text(next) ?? '', base);
  if (patient !== undefined && !patients.includes(patient)) patients.push(patient);
}
