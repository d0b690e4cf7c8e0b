/** FHIR R4 RESTful interaction codes (http://hl7.org/fhir/restful-interaction) and the operations that Concordat itself answers. */
export type InteractionCode =
  | 'read'
  | 'vread'
  | 'history-instance'
  | 'history-type'
  | 'history-system'
  | 'search-type'
  | 'search-system'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'batch'
  | 'transaction'
  | 'operation'
  | 'capabilities';

/** Interactions that may change an upstream; these get a durable intent before the upstream is called. */
export function isWrite(interaction: InteractionCode): boolean {
  switch (interaction) {
    case 'create':
    case 'update':
    case 'patch':
    case 'delete':
    case 'batch':
    case 'transaction':
      return true;
    case 'read':
    case 'vread':
    case 'history-instance':
    case 'history-type':
    case 'history-system':
    case 'search-type':
    case 'search-system':
    case 'operation':
    case 'capabilities':
      return false;
  }
}
