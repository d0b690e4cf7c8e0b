import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface KafkaCertificates {
  readonly authorityPem: string;
  readonly keystorePem: string;
}

/** A self-signed authority and a certificate for 127.0.0.1 made with openssl, for brokers on this machine; kept in `dir`. */
export function kafkaCertificates(dir: string): KafkaCertificates {
  const authorityPem = join(dir, 'authority.pem');
  const keystorePem = join(dir, 'keystore.pem');
  if (existsSync(keystorePem)) return { authorityPem, keystorePem };
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
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=127.0.0.1');
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
  openssl('x509', '-req', '-in', 'server.csr', ...sign, '-out', 'server.pem');
  const key = openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'server.key');
  writeFileSync(keystorePem, key + readFileSync(join(dir, 'server.pem'), 'utf8') + readFileSync(authorityPem, 'utf8'));
  return { authorityPem, keystorePem };
}
