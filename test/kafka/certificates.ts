import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface KafkaCertificates {
  readonly authorityPem: string;
  readonly keystorePem: string;
  /** A member's certificate (`CN=member`) and its key. */
  readonly clientPem: string;
  readonly clientKey: string;
}

/** A self-signed authority with certificates for 127.0.0.1 and for a member, made with openssl, for brokers on this machine; kept in `dir`. */
export function kafkaCertificates(dir: string): KafkaCertificates {
  const authorityPem = join(dir, 'authority.pem');
  const keystorePem = join(dir, 'keystore.pem');
  const made = { authorityPem, keystorePem, clientPem: join(dir, 'client.pem'), clientKey: join(dir, 'client.key') };
  if (existsSync(keystorePem)) return made;
  mkdirSync(dir, { recursive: true });
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    'authority.key',
    '-out',
    'authority.pem',
    '-days',
    '3650',
    '-subj',
    '/CN=concordat-local',
  );
  writeFileSync(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const sign = [
    '-CA',
    'authority.pem',
    '-CAkey',
    'authority.key',
    '-CAcreateserial',
    '-days',
    '3650',
    '-extfile',
    'names',
  ];
  for (const [name, subject] of [
    ['server', '/CN=127.0.0.1'],
    ['client', '/CN=member'],
  ] as const) {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    openssl('x509', '-req', '-in', `${name}.csr`, ...sign, '-out', `${name}.pem`);
  }
  const key = openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'server.key');
  writeFileSync(keystorePem, key + readFileSync(join(dir, 'server.pem'), 'utf8') + readFileSync(authorityPem, 'utf8'));
  return made;
}
