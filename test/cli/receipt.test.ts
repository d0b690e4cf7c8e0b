import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { operationOutcome } from '../../src/fhir/outcome.ts';
import { runCli } from '../support/run-cli.ts';
import type { CliResult } from '../support/run-cli.ts';

const event = (letter: string): string => letter.repeat(22);

describe('concordat receipt', () => {
  const server = createServer((request, response) => {
    const [letter] = (request.url ?? '').split('/').at(-1) ?? '';
    if (letter === 'F') response.end('c2sp.org/tlog-proof@v1\n');
    else if (letter === 'P') response.writeHead(202).end('{"state":"pending"}');
    else if (letter === 'G') {
      const text = 'no longer kept here; ask payer';
      response.writeHead(410).end(JSON.stringify(operationOutcome([{ severity: 'error', code: 'deleted', text }])));
    } else if (letter === 'H') response.writeHead(410).end('<html>gone</html>');
    else response.writeHead(404).end();
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => server.close());

  function receipt(letter: string): Promise<CliResult> {
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return runCli(['receipt', event(letter), '--url', `http://127.0.0.1:${port}`]);
  }

  test('0 with the receipt; 1 for no such event; 3 while it is pending, and once no member keeps its batch, with whom to ask', async () => {
    const [final, missing, pending, pruned] = await Promise.all(['F', 'N', 'P', 'G'].map(receipt));
    assert.deepEqual([final?.code, final?.stdout], [0, 'c2sp.org/tlog-proof@v1\n']);
    assert.equal(missing?.code, 1);
    assert.equal(pending?.code, 3);
    assert.equal(pruned?.code, 3);
    assert.match(pruned?.stderr ?? '', /ask payer/);
  });

  test('an answer that is none of ours, such as a proxy’s, is told in one line', async () => {
    const { code, stderr } = await receipt('H');
    assert.deepEqual([code, stderr], [3, 'concordat: the gateway answered 410\n']);
  });
});
