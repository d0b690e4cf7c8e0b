/** The restricted FHIRPath of slicing discriminators (http://hl7.org/fhir/R4/profiling.html#discriminator) as steps. */

export type PathStep =
  | { readonly kind: 'element'; readonly name: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'resolve' }
  | { readonly kind: 'of-type'; readonly type: string };

const maximumSteps = 20;

/** @returns the steps, none for `$this`; undefined where the path is not of the allowed form */
export function parseDiscriminatorPath(path: string): readonly PathStep[] | undefined {
  const steps: PathStep[] = [];
  let rest = path.trim();
  const cast = /^(.*)\s+as\s+([A-Za-z]+)$/.exec(rest);
  if (cast !== null) rest = cast[1] ?? '';
  while (rest !== '') {
    if (steps.length >= maximumSteps) return undefined;
    const match =
      /^(\$this|extension\(\s*['"]([^'"]+)['"]\s*\)|resolve\(\)|(?:ofType|as)\(\s*([A-Za-z0-9.]+)\s*\)|([A-Za-z][A-Za-z0-9_]*)(?:\[x\])?)(?:\.|$)/.exec(
        rest,
      );
    if (match === null) return undefined;
    const [whole, text, url, type, name] = match;
    if (url !== undefined) steps.push({ kind: 'extension', url });
    else if (type !== undefined) steps.push({ kind: 'of-type', type: type.replace(/^FHIR\./, '') });
    else if (text === 'resolve()') steps.push({ kind: 'resolve' });
    else if (name !== undefined) steps.push({ kind: 'element', name });
    rest = rest.slice(whole.length);
  }
  if (cast !== null) steps.push({ kind: 'of-type', type: cast[2] ?? '' });
  return steps;
}
