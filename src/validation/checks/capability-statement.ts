/** CapabilityStatements against the search parameters that they name (http://hl7.org/fhir/R4/capabilitystatement.html). */
import { isObject, objects } from '../compile/element-tree.ts';
import type { CheckContext, Rule } from './report.ts';

const typeRule: Rule = {
  id: 'capability-search-type',
  severity: 'error',
  code: 'business-rule',
  text: 'The type must be that of the search parameter that is named',
};

/** The place is at the resource. */
export function checkCapabilityStatement(value: unknown, c: CheckContext): void {
  if (!isObject(value)) return;
  objects(value['rest']).forEach((rest, restIndex) =>
    objects(rest['resource']).forEach((resource, resourceIndex) =>
      objects(resource['searchParam']).forEach((parameter, index) => {
        const { definition, type } = parameter;
        if (typeof definition !== 'string' || typeof type !== 'string') return;
        const defined = c.services.scope.resolve(definition, 'SearchParameter')?.resource['type'];
        if (typeof defined === 'string' && defined !== type)
          c.report(typeRule, `.rest[${restIndex}].resource[${resourceIndex}].searchParam[${index}]`, type);
      }),
    ),
  );
}
