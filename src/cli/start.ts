import type { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { CommandError } from './command-error.ts';
import { outputFileProblem } from './output-file.ts';
import { runAction } from './run-action.ts';
import { stopSignal } from './stop-signal.ts';

interface StartOptions {
  readonly config?: string;
  readonly exit?: boolean;
  readonly json?: string;
  readonly data?: string;
  readonly port?: string;
  readonly kafka?: boolean;
}

/** `concordat start`: one gateway with `--config`, else the demo consortium. */
export function startCommand(program: Command): void {
  program
    .command('start')
    .description('run one gateway (--config), or a demo consortium of three members on this machine')
    .option('--config <file>', "a gateway's configuration (YAML); see docs/configuration.md")
    .option('--exit', 'demo: end after the summary; exit code 0 only if everything in it held')
    .option('--json <file>', 'demo: write the summary for programs')
    .option('--data <folder>', 'demo: where everything is kept (default: .concordat/demo in this project)')
    .option('--port <number>', 'demo: first of its ports (default: 8480); a port that is taken is passed over')
    .option(
      '--kafka',
      'demo: the topology of docker-compose.yml instead, on three Kafka brokers and two HAPI FHIR servers',
    )
    .action(
      runAction(async (options: StartOptions) => {
        if (options.config === undefined) {
          const problem = options.json === undefined ? undefined : outputFileProblem(options.json);
          if (problem !== undefined) throw new CommandError('usage', `--json ${options.json}: ${problem}`);
          const { runDemo } = await import('../demo/run-demo.ts');
          return runDemo({
            exit: options.exit === true,
            jsonFile: options.json,
            dataDir: options.data,
            firstPort: portOf(options.port),
            isOnKafka: options.kafka === true,
          });
        }
        if (
          options.exit === true ||
          options.json !== undefined ||
          options.data !== undefined ||
          options.port !== undefined ||
          options.kafka === true
        ) {
          throw new CommandError(
            'usage',
            '--exit, --json, --data, --port and --kafka are for the demo; they do not go with --config',
          );
        }
        const { startGateway } = await import('../main.ts');
        const gateway = await startGateway(loadConfig(options.config));
        const stop = stopSignal();
        process.send?.({ ready: true });
        await stop;
        await gateway.close();
        // The channel to the process that started this one would keep it alive.
        if (process.connected) process.disconnect();
        return 0;
      }),
    );
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new CommandError('usage', '--port is a number from 1 to 65535');
  return port;
}
