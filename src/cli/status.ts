import type { Command } from 'commander';
import { gatewayBase, get } from './gateway-client.ts';
import type { GatewayOptions } from './gateway-client.ts';
import { print, printJson } from './print.ts';
import { runAction } from './run-action.ts';

interface StatusOptions extends GatewayOptions {
  readonly json?: boolean;
}

/** `concordat status`: whether a gateway is ready, and what alarms it has. */
export function statusCommand(program: Command): void {
  program
    .command('status')
    .description('whether a gateway is ready: upstreams, ledger, alarms')
    .option('--url <url>', 'gateway, e.g. http://127.0.0.1:8080')
    .option('--config <file>', 'take the address from a configuration')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExit codes: 0 ready, 1 not ready, 4 not reachable.')
    .action(
      runAction(async (options: StatusOptions) => {
        const response = await get(`${gatewayBase(options)}/health/ready`);
        const health = (await response.json().catch(() => ({}))) as Record<string, unknown>;
        if (options.json === true) printJson({ ready: response.status === 200, ...health });
        else {
          print(response.status === 200 ? 'ready' : 'NOT ready');
          for (const [name, value] of Object.entries(health))
            print(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
        }
        return response.status === 200 ? 0 : 1;
      }),
    );
}
