import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { runCli } from '../support/run-cli.ts';
import { root } from '../support/source-files.ts';

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly hostname?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly environment?: Readonly<Record<string, unknown>>;
  readonly command?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const text = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
const compose = parse(text, { merge: true }) as Compose;
const services = Object.entries(compose.services);
const MEMBERS = ['hospital', 'clinics', 'payer'];
/** `${NAME:-default}` as Compose fills it in without an environment; a variable without default must not be there. */
const fill = (value: string): string => value.replace(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1');
const mounts = (service: Service): { source: string; target: string }[] =>
  (service.volumes ?? []).map((volume) => {
    const [source = '', target = ''] = fill(volume).split(':');
    return { source, target };
  });

describe('docker-compose.yml', () => {
  test('has three brokers, three members, two FHIR servers and Prometheus', () => {
    const withImage = (start: string): number =>
      services.filter(([, service]) => service.image?.startsWith(start)).length;
    assert.equal(services.filter(([name]) => name.startsWith('kafka-')).length, 3);
    assert.equal(withImage('hapiproject/hapi:'), 2);
    assert.equal(withImage('prom/prometheus:'), 1);
    for (const member of MEMBERS) assert.ok(compose.services[member]);
  });

  test('pins every image and needs no variable without a default', () => {
    for (const [name, service] of services) assert.match(service.image ?? '', /:(?!latest)[\w.-]+$/, name);
    assert.deepEqual(fill(text.replaceAll('$$', '')).match(/\$\{[^}]*\}/g), null);
  });

  test('mounts only files that are here and volumes that are declared, and uses every declared one', () => {
    const used = new Set<string>();
    for (const [name, service] of services) {
      for (const { source, target } of mounts(service)) {
        assert.match(target, /^\//, name);
        if (source.startsWith('./')) assert.ok(statSync(join(root, source)).isFile(), `${name}: ${source}`);
        else assert.ok(used.add(source) && source in compose.volumes, `${name}: ${source}`);
      }
    }
    assert.deepEqual([...used].sort(), Object.keys(compose.volumes).sort());
  });

  test('publishes each port once, on loopback, and waits only for services that are there', () => {
    const published = services.flatMap(([, service]) => service.ports ?? []).map((port) => port.split(':'));
    assert.ok(published.every(([host]) => host === '127.0.0.1'));
    assert.equal(new Set(published.map(([, port]) => port)).size, published.length);
    for (const [, service] of services)
      for (const name of Object.keys(service.depends_on ?? {})) assert.ok(name in compose.services, name);
  });

  test('brokers name one another as they listen', () => {
    for (const [name, service] of services.filter(([found]) => found.startsWith('kafka-'))) {
      const environment = service.environment ?? {};
      assert.equal(environment.KAFKA_ADVERTISED_LISTENERS, `PLAINTEXT://${name}:9092`);
      const voter = `${String(environment.KAFKA_NODE_ID)}@${name}:9093`;
      assert.ok(String(environment.KAFKA_CONTROLLER_QUORUM_VOTERS).split(',').includes(voter), voter);
      assert.ok(mounts(service).some(({ target }) => target === environment.KAFKA_LOG_DIRS));
    }
  });
});

describe('the configuration of each member in deploy/', () => {
  for (const member of MEMBERS) {
    const file = readFileSync(join(root, 'deploy', `${member}.yaml`), 'utf8');
    const service = compose.services[member] ?? {};

    test(`${member}: has no problem but for files that exist only in the container`, () => {
      assert.deepEqual(
        problemsOf(file).filter(({ message }) => !/secret file|no such file/.test(message)),
        [],
      );
    });

    test(`${member}: every path is mounted, built into the image, or made by init`, () => {
      const paths = [...file.matchAll(/(?:^|[\s:])(\/[\w./-]+)/gm)]
        .map((match) => match[1] ?? '')
        .filter((path) => !path.startsWith('//'));
      const made = initialFiles();
      for (const path of paths) {
        const inImage = path.startsWith('/app/') && existsSync(join(root, path.slice('/app/'.length)));
        const mounted = mounts(service).some(({ target }) => path === target);
        assert.ok(inImage || mounted || made.includes(path), `${member}: ${path}`);
      }
    });

    test(`${member}: every host and port in it is a service that listens there`, () => {
      const addresses = [...file.matchAll(/([a-z][a-z0-9-]*):(\d{4,5})\b/g)].map(
        (match) => [match[1] ?? '', match[2] ?? ''] as const,
      );
      assert.ok(addresses.length > 0);
      for (const [host, port] of addresses) {
        assert.equal(compose.services[host]?.hostname, host);
        assert.equal(port, host.startsWith('kafka-') ? '9092' : '8080');
      }
      assert.ok(service.ports?.every((published) => published.endsWith(':8080')) && /port: 8080/.test(file));
    });
  }

  test('the init service founds the consortium, and at the next start leaves it as it is', async () => {
    const out = mkdtempSync(join(tmpdir(), 'concordat-compose-'));
    try {
      const command = (compose.services.init?.command ?? []).map((word) =>
        word.replace('=/app/', `=${root}/`).replace('=/consortium', `=${out}`),
      );
      assert.equal((await runCli(command)).code, 0);
      const made = initialFiles().filter((path) => path.startsWith('/consortium/'));
      assert.ok(made.length > 0);
      const read = () => made.map((path) => readFileSync(path.replace('/consortium', out), 'utf8'));
      const first = read();
      assert.equal((await runCli(command)).code, 0);
      assert.deepEqual(read(), first);
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });

  test('Prometheus scrapes every member and reads the rules that are mounted', () => {
    const prometheus = readFileSync(join(root, 'deploy/prometheus.yml'), 'utf8');
    for (const member of MEMBERS) assert.ok(prometheus.includes(`'${member}:8080'`));
    const rules = (parse(prometheus) as { rule_files: string[] }).rule_files;
    assert.ok(rules.every((rule) => mounts(compose.services.prometheus ?? {}).some(({ target }) => target === rule)));
  });

  test('the example key set holds public keys only', () => {
    const { keys } = JSON.parse(readFileSync(join(root, 'deploy/jwks.example.json'), 'utf8')) as {
      keys: Record<string, unknown>[];
    };
    assert.ok(keys.length > 0 && keys.every((key) => !('d' in key)));
  });
});

describe('the Dockerfile', () => {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  test('copies and starts what is there, on the Node version that package.json pins', () => {
    for (const [, sources = ''] of dockerfile.matchAll(/^COPY (.+) \S+$/gm)) {
      for (const source of sources.split(' ')) assert.ok(existsSync(join(root, source)), source);
    }
    const entry = /^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? '[]';
    assert.ok(existsSync(join(root, (JSON.parse(entry) as string[]).at(-1) ?? '')));
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    assert.ok(dockerfile.includes(`FROM node:${manifest.dependencies.node}-`));
  });
});

function problemsOf(file: string): readonly { readonly path: string; readonly message: string }[] {
  try {
    parseConfig(file, { name: 'config.yaml', baseDir: '/etc/concordat', environment: {} });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** What the `init` service leaves in its volume. */
function initialFiles(): string[] {
  const keys = ['batch.key', 'origin.key', 'cosigner.key', 'agreement.key', 'master.key'];
  const command = compose.services.init?.command ?? [];
  const given = (option: string): string[] =>
    command.filter((word) => word.startsWith(`${option}=`)).map((word) => word.slice(option.length + 1));
  const [out = ''] = given('--out');
  return [
    `${out}/genesis.json`,
    ...given('--member').flatMap((member) => keys.map((key) => `${out}/${member}/${key}`)),
    '/data',
  ];
}
