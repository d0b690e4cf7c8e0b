import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { createTerminologySender } from '../../src/gateway/terminology-client.ts';
import { RemoteTerminology } from '../../src/validation/terminology/remote.ts';

describe('a terminology server over HTTP', () => {
  let server: Server;
  let url = '';
  let answer: (entries: readonly { request: { url: string } }[]) => { status: number; body: string } | undefined = () =>
    undefined;
  const asked: string[] = [];
  before(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const batch = JSON.parse(text) as { entry: { request: { url: string } }[] };
        asked.push(...batch.entry.map((entry) => JSON.stringify(entry)));
        const given = answer(batch.entry);
        if (given === undefined) return;
        response.writeHead(given.status, { 'content-type': 'application/fhir+json' });
        response.end(given.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/fhir`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const terminology = (): RemoteTerminology =>
    new RemoteTerminology({ send: createTerminologySender(url), timeoutMs: 300, now: () => performance.now() });
  const question = (code: string) => ({ valueSet: 'http://example.org/vs|1', system: 'http://loinc.org', code });
  const result = (value: boolean) => ({
    resource: { resourceType: 'Parameters', parameter: [{ name: 'result', valueBoolean: value }] },
    response: { status: '200' },
  });

  test('questions of one turn go in one batch, and answers come back in their order', async () => {
    asked.length = 0;
    answer = (entries) => ({
      status: 200,
      body: JSON.stringify({
        resourceType: 'Bundle',
        type: 'batch-response',
        entry: entries.map((_, index) => result(index === 0)),
      }),
    });
    const remote = terminology();
    assert.deepEqual(await Promise.all([remote.ask(question('a')), remote.ask(question('b'))]), ['yes', 'no']);
    assert.equal(asked.length, 2);
    assert.equal(await remote.ask(question('a')), 'yes');
    assert.equal(asked.length, 2, 'a second time it is not asked');
  });

  for (const [name, given] of [
    ['an error', { status: 500, body: '<html>' }],
    ['HTML', { status: 200, body: '<html>' }],
    ['silence', undefined],
  ] as const) {
    test(`${name} is "down", in bounded time`, async () => {
      answer = () => given;
      assert.equal(await terminology().ask(question(name)), 'down');
    });
  }
});
