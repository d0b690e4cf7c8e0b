/** Identifier (http://hl7.org/fhir/R4/datatypes.html#Identifier): what kind of name the system and the value are. */
import { isAbsoluteUri } from '../primitives/scanners.ts';
import type { CheckContext, JsonObject, Rule } from './report.ts';

const systemRule: Rule = {
  id: 'identifier-system-relative',
  severity: 'error',
  code: 'invalid',
  text: 'Identifier.system must be an absolute URI',
};
const uriValueRule: Rule = {
  id: 'identifier-value-uri',
  severity: 'error',
  code: 'invalid',
  text: 'With the system urn:ietf:rfc:3986 the value must be a whole URI',
};

export function checkIdentifier(value: unknown, c: CheckContext): void {
  const { system, value: text } = value as JsonObject;
  if (typeof system !== 'string' || system === '') return;
  if (!isIdentifierSystem(system)) c.report(systemRule, '', system);
  if (system === 'urn:ietf:rfc:3986' && typeof text === 'string' && !isAbsoluteUri(text))
    c.report(uriValueRule, '.value', text);
}

/** As the oracle takes it: a web or FTP address, or a URN. */
export function isIdentifierSystem(system: string): boolean {
  return /^(https?:|ftp:|urn:|cid:|file:)/.test(system) && isAbsoluteUri(system);
}

const quantityRule: Rule = {
  id: 'quantity-system-relative',
  severity: 'error',
  code: 'invalid',
  text: 'Quantity.system must be an absolute URI',
};

const quantityCodeRule: Rule = {
  id: 'code-unknown',
  severity: 'error',
  code: 'code-invalid',
  text: 'The code system has no such code',
};

export function checkQuantity(value: unknown, c: CheckContext): void {
  const { system, code } = value as JsonObject;
  if (typeof system !== 'string' || system === '' || typeof code !== 'string') return;
  if (!isIdentifierSystem(system)) c.report(quantityRule, '', system);
  else if (system !== 'http://unitsofmeasure.org') {
    const verdict = c.services.terminology.checkCoding({ scope: c.services.scope, system, code });
    if (verdict.code === 'no' && verdict.system === 'complete')
      c.report(quantityCodeRule, '.code', `${system}#${code}`);
  }
}
