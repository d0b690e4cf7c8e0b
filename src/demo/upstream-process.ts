import { parseArgs } from 'node:util';
import { startUpstream } from './upstream.ts';

/**
 * One demo upstream as a process of its own: `upstream-process.ts --name N --port P --data DIR`. Tells its parent `{url, port}` when it listens, and ends
 * when the parent ends, however that ends, because the channel between them closes then.
 */
const { values } = parseArgs({
  options: { name: { type: 'string' }, port: { type: 'string' }, data: { type: 'string' } },
});
if (values.name === undefined || values.data === undefined) throw new TypeError('--name and --data are needed');
const upstream = await startUpstream({ name: values.name, port: Number(values.port ?? 0), dataDir: values.data });

const stop = (): void => {
  void upstream.close().finally(() => process.exit(0));
};
process.once('disconnect', stop);
process.once('SIGTERM', stop);
// Ctrl-C reaches the whole group; the parent stops its children in order.
process.on('SIGINT', () => undefined);
process.send?.({ url: upstream.url, port: upstream.port });
