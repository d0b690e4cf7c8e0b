/** One environment variable, or undefined where it is not set or empty. Configuration is the only reader of the environment. */
export function environmentVariable(name: string): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
