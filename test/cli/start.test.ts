import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SingleGateway } from '../support/single-gateway.ts';

test('a gateway stops within five seconds while other members take what is asked of them and answer nothing', async () => {
  let asked = 0;
  const silent = createServer((socket) => {
    asked++;
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const peers = ['payer', 'clinics', 'lab'].map((member) => ({ member, url: `http://127.0.0.1:${port}/${member}` }));
  const gateway = new SingleGateway({ peers });
  await gateway.start();
  try {
    for (const untilMs = Date.now() + 20_000; asked === 0 && Date.now() < untilMs;) await delay(50);
    assert.ok(asked > 0);
    const startedMs = performance.now();
    await gateway.stopGateway();
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < 5_000, `${String(Math.round(tookMs))} ms`);
  } finally {
    await gateway.close();
    silent.close();
  }
});

test('metrics say how far the ledger is, what waits for it, and what the process uses', async () => {
  const gateway = new SingleGateway();
  await gateway.start();
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  };
  try {
    const written = await fetch(`${gateway.url}/fhir/ehr/Patient`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.token()}`, 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Patient', active: true }),
    });
    assert.equal(written.status, 201);
    for (const untilMs = Date.now() + 20_000; (await metric('concordat_outbox_events')) > 0;) {
      assert.ok(Date.now() < untilMs);
      await delay(100);
    }
    for (const untilMs = Date.now() + 20_000; (await metric('concordat_ledger_final_leaves')) < 3;) {
      assert.ok(Date.now() < untilMs);
      await delay(100);
    }
    assert.equal(await metric('concordat_ledger_events'), 1);
    assert.equal(await metric('concordat_ledger_incidents'), 0);
    assert.ok((await metric('concordat_ledger_signed_leaves')) >= 3);
    assert.ok((await metric('concordat_outbox_limit_events')) > 0);
    assert.ok((await metric('nodejs_heap_size_used_bytes')) > 1_000_000);
  } finally {
    await gateway.close();
  }
});
