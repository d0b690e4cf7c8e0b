import { outcomesOf } from './cases.ts';
import type { BrowserCases } from './cases.ts';

/** Runs in the page: takes the cases from the server and gives it the outcomes. */
declare const fetch: (url: string, init?: { method: string; body: string }) => Promise<{ json(): Promise<unknown> }>;

async function report(): Promise<unknown> {
  try {
    const cases = (await (await fetch('/cases.json')).json()) as BrowserCases;
    const { subtle } = globalThis.crypto;
    const outcomes = await outcomesOf(cases);
    // A browser whose WebCrypto has no Ed25519 rejects the import with a NotSupportedError.
    subtle.importKey = () => Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'));
    const withoutEd25519 = await outcomesOf({ ...cases, changed: { receipt: '', genesis: '' } });
    Object.defineProperty(globalThis.crypto, 'subtle', { value: undefined });
    const withoutSubtle = await outcomesOf({ ...cases, changed: { receipt: '', genesis: '' } });
    return { outcomes, withoutEd25519, withoutSubtle };
  } catch (error) {
    return { failed: String(error) };
  }
}

await fetch('/result', { method: 'POST', body: JSON.stringify(await report()) });
