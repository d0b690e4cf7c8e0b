import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Finding, Rule } from '../../../src/validation/checks/report.ts';
import { settleRemotely } from '../../../src/validation/terminology/remote-findings.ts';
import { RemoteTerminology } from '../../../src/validation/terminology/remote.ts';

interface Batch {
  readonly entry: readonly { readonly resource: { readonly parameter: readonly Record<string, unknown>[] } }[];
}

/** A server that knows the code `good` and counts what it is asked. */
class Server {
  readonly batches: number[] = [];
  failing = false;
  clock = 0;

  readonly terminology = new RemoteTerminology({
    timeoutMs: 100,
    failuresToOpen: 2,
    openMs: 1000,
    cacheMs: 500,
    batchSize: 3,
    now: () => this.clock,
    send: (batch) => this.send(batch as Batch),
  });

  private send(batch: Batch): Promise<unknown> {
    this.batches.push(batch.entry.length);
    if (this.failing) return Promise.reject(new Error('no route'));
    const entry = batch.entry.map(({ resource }) => ({
      resource: {
        resourceType: 'Parameters',
        parameter: [{ name: 'result', valueBoolean: codeOf(resource.parameter) === 'good' }],
      },
    }));
    return Promise.resolve({ resourceType: 'Bundle', type: 'batch-response', entry });
  }
}

function codeOf(parameters: readonly Record<string, unknown>[]): unknown {
  const coding = parameters.find(({ name }) => name === 'coding')?.['valueCoding'] as { code?: unknown } | undefined;
  return coding?.code ?? parameters.find(({ name }) => name === 'code')?.['valueCode'];
}

const question = (
  code: string,
  system: string | undefined = 'http://a.org',
): { valueSet: string; system: string | undefined; code: string } => ({
  valueSet: 'http://a.org/vs|1',
  system,
  code,
});

describe('a remote terminology', () => {
  test('asks together what is asked in one turn, in batches of limited size', async () => {
    const server = new Server();
    const answers = await Promise.all(
      ['good', 'bad', 'worse', 'worst'].map((code) => server.terminology.ask(question(code))),
    );
    assert.deepEqual(answers, ['yes', 'no', 'no', 'no']);
    assert.deepEqual(server.batches, [3, 1]);
  });

  test('asks the same question once while it is under way and until the answer has aged', async () => {
    const server = new Server();
    await Promise.all([server.terminology.ask(question('good')), server.terminology.ask(question('good'))]);
    await server.terminology.ask(question('good'));
    assert.deepEqual(server.batches, [1]);
    server.clock = 501;
    await server.terminology.ask(question('good'));
    assert.deepEqual(server.batches, [1, 1]);
  });

  test('keeps a system and no system, and two versions of a value set, apart', async () => {
    const server = new Server();
    await server.terminology.ask(question('good'));
    await server.terminology.ask({ ...question('good'), system: undefined });
    await server.terminology.ask({ ...question('good'), valueSet: 'http://a.org/vs|2' });
    assert.deepEqual(server.batches, [1, 1, 1]);
  });

  test('leaves a failing server alone for a while, then tries again', async () => {
    const server = new Server();
    server.failing = true;
    assert.equal(await server.terminology.ask(question('good')), 'down');
    assert.equal(await server.terminology.ask(question('good')), 'down');
    assert.equal(await server.terminology.ask(question('good')), 'down');
    assert.deepEqual(server.batches, [1, 1]);
    server.failing = false;
    server.clock = 1001;
    assert.equal(await server.terminology.ask(question('good')), 'yes');
  });

  test('takes an answer of another length for none', async () => {
    const terminology = new RemoteTerminology({
      timeoutMs: 1,
      now: () => 0,
      send: () => Promise.resolve({ entry: [] }),
    });
    assert.equal(await terminology.ask(question('good')), 'down');
  });
});

describe('findings that only a server can settle', () => {
  const refused: Rule = { id: 'binding-required', severity: 'error', code: 'code-invalid', text: 'no' };
  const open = (found: string, strength: 'required' | 'extensible' = 'required'): Finding => ({
    rule: {
      id: 'binding-cannot-tell',
      severity: 'warning',
      code: 'not-supported',
      text: '?',
      question: { valueSet: 'http://a.org/vs', strength, refused },
    },
    expression: 'Patient.gender',
    found,
  });
  const whenDown = { required: 'error', extensible: 'ignore' } as const;

  test('vanish at a yes and become the refusal at a no', async () => {
    const { terminology } = new Server();
    assert.deepEqual(await settleRemotely([open('http://a.org#good')], terminology, whenDown), []);
    const [finding] = await settleRemotely([open('http://a.org#bad')], terminology, whenDown);
    assert.equal(finding?.rule.id, 'binding-required');
  });

  test('need one good coding of a concept only', async () => {
    const { terminology } = new Server();
    assert.deepEqual(await settleRemotely([open('http://a.org#bad, http://a.org#good')], terminology, whenDown), []);
  });

  test('follow the policy of their strength when the server is down', async () => {
    const server = new Server();
    server.failing = true;
    const settled = await settleRemotely(
      [open('http://a.org#x'), open('http://a.org#y', 'extensible')],
      server.terminology,
      whenDown,
    );
    assert.deepEqual(
      settled.map(({ rule }) => rule.id),
      ['terminology-server-down-required'],
    );
  });

  test('leave other findings as they are', async () => {
    const { terminology } = new Server();
    const other: Finding = { rule: refused, expression: 'Patient', found: undefined };
    assert.deepEqual(await settleRemotely([other], terminology, whenDown), [other]);
  });
});
