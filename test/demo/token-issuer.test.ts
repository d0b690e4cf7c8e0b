import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DEMO_AUDIENCE, DEMO_ISSUER, TokenIssuer } from '../../src/demo/token-issuer.ts';
import { createJwtAuthenticator } from '../../src/gateway/auth/jwt-authenticator.ts';

const folder = mkdtempSync(join(tmpdir(), 'concordat-issuer-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const keyFile = join(folder, 'issuer', 'issuer.key');
const jwksFile = join(folder, 'issuer', 'jwks.json');
const claims = {
  client: 'c',
  user: 'u',
  organisation: 'o',
  purpose: 'TREAT',
  scope: 'system/*.cruds',
  lifetimeMs: 60_000,
};
const open = (nowMs = Date.now()) => TokenIssuer.open({ keyFile, jwksFile, clock: () => nowMs });
const authenticator = () =>
  createJwtAuthenticator({
    issuers: [
      {
        issuer: DEMO_ISSUER,
        audience: DEMO_AUDIENCE,
        keys: { file: jwksFile },
        algorithms: ['ES256'],
        claims: {
          client: 'client_id',
          user: 'sub',
          organisation: 'organisation',
          purpose: 'purpose_of_use',
          patient: 'patient',
        },
      },
    ],
    clock: Date.now,
  });

describe('TokenIssuer', () => {
  test('issues tokens that a gateway believes, also after a restart', async () => {
    const token = open().issue(claims);
    open();
    const { caller, scopes } = await authenticator().authenticate(`Bearer ${token}`);
    assert.equal(caller.clientId, 'c');
    assert.equal(caller.user, 'u');
    assert.equal(caller.organisation, 'o');
    assert.equal(caller.purpose, 'TREAT');
    assert.equal(scopes.length, 1);
  });

  test('issues tokens that end', async () => {
    const token = open(Date.now() - 3_600_000).issue(claims);
    await assert.rejects(authenticator().authenticate(`Bearer ${token}`));
  });

  test('publishes no private key, and keeps its own to itself', () => {
    open();
    assert.doesNotMatch(readFileSync(jwksFile, 'utf8'), /"d"/);
    assert.equal(statSync(keyFile).mode & 0o077, 0);
  });
});
