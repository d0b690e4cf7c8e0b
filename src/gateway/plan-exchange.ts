import { planBatch } from './plan-batch.ts';
import { planFederatedSearch } from './plan-federated.ts';
import { planOperation } from './plan-operation.ts';
import { planPatch } from './plan-patch.ts';
import { planPages, planRead, planSearch } from './plan-read.ts';
import { planTransaction } from './plan-transaction.ts';
import { planWrite } from './plan-write.ts';
import { GatewayError } from './gateway-error.ts';
import type { Exchange, Plan } from './plan.ts';

/** Decides what an exchange will do. Reads upstreams where it must (conditions, the target of a patch), and changes nothing. */
export async function planExchange(exchange: Exchange): Promise<Plan> {
  const { route } = exchange;
  switch (route.interaction) {
    case 'read':
    case 'vread':
      return planRead(exchange);
    case 'history-instance':
    case 'history-type':
    case 'history-system':
      if (route.upstream === undefined) throw noFederatedHistory();
      return planPages(exchange);
    case 'search-type':
    case 'search-system':
      return route.upstream === undefined ? planFederatedSearch(exchange) : planSearch(exchange);
    case 'create':
    case 'update':
    case 'delete':
      return planWrite(exchange);
    case 'patch':
      return planPatch(exchange);
    case 'batch':
      return planBatch(exchange, planExchange);
    case 'transaction':
      return planTransaction(exchange);
    case 'operation':
      return planOperation(exchange);
    case 'capabilities':
      throw new TypeError('capabilities are answered without an exchange');
  }
}

function noFederatedHistory(): GatewayError {
  return new GatewayError('not-implemented', {
    external: 'The history of all upstreams at once is not kept; ask one upstream, /fhir/{upstream}/_history.',
  });
}
