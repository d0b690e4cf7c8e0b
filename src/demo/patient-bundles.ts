import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { fileURLToPath } from 'node:url';

/** One carried patient: a transaction bundle as Synthea wrote it. */
export interface PatientBundle {
  readonly text: string;
  readonly entries: number;
  /** `system|value` of the patient's own identifier, by which a client sees whether the patient is there already. */
  readonly identifier: string;
}

const FOLDER = fileURLToPath(new URL('./patients', import.meta.url));

/** The carried patients, smallest file name first. */
export function readPatientBundles(): PatientBundle[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json.gz'));
  return files.sort().map((name) => {
    const text = gunzipSync(readFileSync(join(FOLDER, name))).toString('utf8');
    const bundle = JSON.parse(text) as {
      entry: { resource: { identifier?: { system?: string; value?: string }[] } }[];
    };
    const identifier = bundle.entry[0]?.resource.identifier?.[0];
    return { text, entries: bundle.entry.length, identifier: `${identifier?.system ?? ''}|${identifier?.value ?? ''}` };
  });
}
