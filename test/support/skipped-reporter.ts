import type { TestEvent } from 'node:test/reporters';

/** Names every skipped test with its reason after the run, so that nothing is left out silently. */
export async function* skippedReporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skipped: string[] = [];
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { skip, name, file } = event.data;
    if (skip === undefined || skip === false) continue;
    skipped.push(`  ${file ?? ''}: ${name}${typeof skip === 'string' ? `: ${skip}` : ''}\n`);
  }
  yield skipped.length === 0 ? 'Skipped: nothing.\n' : `Skipped (${skipped.length}):\n${skipped.join('')}`;
}
// eslint-disable-next-line no-restricted-exports -- node:test loads a reporter by its default export
export default skippedReporter;
