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
