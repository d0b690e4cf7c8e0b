import { createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** What a token says of who asks, beside the standard claims. */
export interface TokenClaims {
  /** Client that calls. */
  readonly client: string;
  /** Person behind it. */
  readonly user: string;
  readonly organisation: string;
  /** HL7 v3 PurposeOfUse, e.g. TREAT. */
  readonly purpose: string;
  /** SMART scopes, space between. */
  readonly scope: string;
  readonly lifetimeMs: number;
}

export const DEMO_ISSUER = 'https://login.demo.concordat.local';
export const DEMO_AUDIENCE = 'https://demo.concordat.local/fhir';
const KEY_ID = 'demo-1';

/** The demo's authorisation server, without its HTTP: it signs tokens (ES256) with a key that outlives restarts, and publishes a key set for the gateways. */
export class TokenIssuer {
  readonly #key: KeyObject;
  readonly #clock: () => number;

  private constructor(key: KeyObject, clock: () => number) {
    this.#key = key;
    this.#clock = clock;
  }

  /** Opens the key file, or makes it at the first start, and writes the key set. */
  static open(args: {
    readonly keyFile: string;
    readonly jwksFile: string;
    readonly clock: () => number;
  }): TokenIssuer {
    mkdirSync(dirname(args.keyFile), { recursive: true, mode: 0o700 });
    if (!existsSync(args.keyFile)) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      // Renamed into place, so that a crash leaves no half key that every later start would stumble on.
      writeFileSync(`${args.keyFile}.new`, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      renameSync(`${args.keyFile}.new`, args.keyFile);
    }
    const key = createPrivateKey(readFileSync(args.keyFile));
    const jwk = createPublicKey(key).export({ format: 'jwk' });
    writeFileSync(args.jwksFile, JSON.stringify({ keys: [{ ...jwk, kid: KEY_ID, use: 'sig', alg: 'ES256' }] }));
    return new TokenIssuer(key, args.clock);
  }

  /** A signed bearer token. */
  issue(claims: TokenClaims): string {
    const issuedAt = Math.floor(this.#clock() / 1000);
    const payload = {
      iss: DEMO_ISSUER,
      aud: DEMO_AUDIENCE,
      sub: claims.user,
      client_id: claims.client,
      organisation: claims.organisation,
      purpose_of_use: claims.purpose,
      scope: claims.scope,
      iat: issuedAt,
      nbf: issuedAt - 60,
      exp: issuedAt + Math.floor(claims.lifetimeMs / 1000),
      jti: randomUUID(),
    };
    const signed = `${encode({ alg: 'ES256', typ: 'JWT', kid: KEY_ID })}.${encode(payload)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
