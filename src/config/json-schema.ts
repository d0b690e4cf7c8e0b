import { z } from 'zod';
import { configSchema } from './schema.ts';

/** JSON Schema (2020-12) of the configuration file, for editors; published as `docs/config.schema.json`. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema({ baseDir: '/', environment: {} }), { io: 'input' });
  return { ...schema, $id: 'concordat-config', title: 'Configuration of one Concordat gateway' };
}
