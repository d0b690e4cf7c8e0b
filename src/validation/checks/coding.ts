/** A Coding by itself: its code in its system, its display, whatever it is bound to. */
import type { PackageScope } from '../packages/definitions.ts';
import { checkCodingSystem } from './coding-system.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const unknownCodeRule: Rule = {
  id: 'code-unknown',
  severity: 'error',
  code: 'code-invalid',
  text: 'The code system has no such code',
};
/** A tag, media type, currency or unit that cannot be; the HL7 validator leaves these to a terminology server. */
const unregisteredRule: Rule = {
  id: 'code-not-registered',
  severity: 'warning',
  code: 'code-invalid',
  text: 'The code does not follow the rules of its system',
};
const supplementRule: Rule = {
  id: 'coding-system-supplement',
  severity: 'error',
  code: 'code-invalid',
  text: 'The system is a supplement; name the code system it supplements',
};
const displayRule: Rule = {
  id: 'display-wrong',
  severity: 'error',
  code: 'invalid',
  text: 'The display is none of the code',
};
export function checkCoding(value: unknown, c: CheckContext, scope: PackageScope): void {
  const coding = value as JsonObject;
  const { system, code, display } = coding;
  if (typeof system !== 'string' || typeof code !== 'string' || system === '' || code === '') return;
  const version = coding['version'];
  const verdict = c.services.terminology.checkCoding({
    scope,
    system,
    code,
    version: typeof version === 'string' ? version : undefined,
    display: typeof display === 'string' ? display : undefined,
    language: c.services.settings.language,
  });
  if (verdict.system === 'supplement') c.report(supplementRule, '.system', system);
  else if (verdict.code === 'no')
    c.report(verdict.system === 'complete' ? unknownCodeRule : unregisteredRule, '.code', `${system}#${code}`);
  else if (verdict.display === 'no') {
    c.report(
      { ...displayRule, text: `The display is none of the code: ${verdict.displays.slice(0, 5).join(' | ')}` },
      '.display',
      String(display),
    );
  }
  if (verdict.system === 'unknown' || verdict.system === 'value-set') checkCodingSystem(system, verdict.system, c);
}
