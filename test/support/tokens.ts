import { writeFileSync } from 'node:fs';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWTPayload } from 'jose';

export const ISSUER = 'https://ids.example/issuer';
export const AUDIENCE = 'https://gateway.example/fhir';

/** An issuer with one ES384 key, whose key set stands in a file. */
export interface TestIssuer {
  readonly jwksFile: string;
  /** @param changes over a token that is good for an hour; undefined takes a claim away */
  token(scope: string, changes?: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  /** Replaces the key, as rotation does. */
  rotate(kid: string): Promise<void>;
  readonly key: CryptoKey;
}

export async function createIssuer(jwksFile: string): Promise<TestIssuer> {
  let pair = await generateKeyPair('ES384');
  let kid = 'key-1';
  const publish = async (): Promise<void> => {
    const jwk = { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES384', use: 'sig' };
    writeFileSync(jwksFile, JSON.stringify({ keys: [jwk] }));
  };
  await publish();
  return {
    jwksFile,
    get key() {
      return pair.privateKey;
    },
    token(scope, changes = {}, header = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const claims: JWTPayload = {
        iss: ISSUER,
        aud: AUDIENCE,
        sub: 'subject',
        client_id: 'ehr-client',
        iat: nowSeconds,
        exp: nowSeconds + 3600,
        scope,
        ...changes,
      };
      for (const [name, value] of Object.entries(changes)) if (value === undefined) delete claims[name];
      return new SignJWT(claims).setProtectedHeader({ alg: 'ES384', kid, ...header }).sign(pair.privateKey);
    },
    async rotate(next) {
      pair = await generateKeyPair('ES384');
      kid = next;
      await publish();
    },
  };
}
