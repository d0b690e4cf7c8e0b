import { z } from 'zod';
import { checkCounterparts, issuerMembersSchema } from './schema-counterparts.ts';
import { ledgerSchema } from './schema-ledger.ts';
import { existingPath, httpUrl, integer, isLoopback, memberName, path, secret, upstreamName } from './schema-parts.ts';
import type { SchemaContext } from './schema-parts.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

/** Signature algorithms that a token may use; `none` and shared secrets (HS…) are not among them. */
const tokenAlgorithm = z.enum([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]);

function listenSchema() {
  return z.strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('address to bind; anything but loopback needs auth.mode jwt'),
    port: integer(0, 65_535).default(8080).describe('0 takes any free port'),
  });
}

function upstreamSchema(context: SchemaContext) {
  const auth = z.discriminatedUnion(
    'kind',
    [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('basic'), username: z.string().min(1), password: secret(context) }),
      z.strictObject({ kind: z.literal('bearer'), token: secret(context) }),
    ],
    { error: 'kind is none, basic or bearer' },
  );
  const timeouts = z
    .strictObject({
      connectMs: integer(10, 600_000).default(2_000),
      headersMs: integer(10, 600_000).default(15_000).describe("until the answer's first byte"),
      totalMs: integer(10, 3_600_000)
        .default(30_000)
        .describe('for the whole answer; the reconciler waits 10 s longer before it calls a write not sent'),
    })
    .refine(
      (value) => value.connectMs <= value.totalMs && value.headersMs <= value.totalMs,
      'totalMs is the longest of the three',
    );
  return z.strictObject({
    url: httpUrl().describe('FHIR R4 base of the server'),
    member: memberName
      .exactOptional()
      .describe(
        "the member whose gateway this is; its answers are acknowledged on the ledger. Left out: a server of one's own",
      ),
    auth: auth.prefault({ kind: 'none' }),
    timeouts: timeouts.prefault({}),
    concurrency: integer(1, 1_000).default(32).describe('calls at the same time'),
  });
}

function authSchema(context: SchemaContext) {
  const claims = z.strictObject({
    client: z.string().min(1).default('client_id'),
    user: z.string().min(1).default('sub'),
    organisation: z.string().min(1).default('organisation'),
    purpose: z.string().min(1).default('purpose_of_use'),
    patient: z.string().min(1).default('patient').describe('SMART launch context'),
  });
  const issuer = z
    .strictObject({
      issuer: z.string().min(1).describe('`iss` of its tokens, compared exactly'),
      audience: z.string().min(1).describe('`aud` that a token must have'),
      jwksUrl: httpUrl().exactOptional().describe('key set of the issuer, fetched again when a key is unknown'),
      jwksFile: existingPath(context).exactOptional().describe('key set in a file, instead of jwksUrl'),
      algorithms: z.array(tokenAlgorithm).min(1).default(['RS384', 'ES384', 'RS256', 'ES256', 'EdDSA']),
      tokenEndpoint: httpUrl().exactOptional().describe('told to clients in smart-configuration'),
      authorizationEndpoint: httpUrl().exactOptional().describe('told to clients in smart-configuration'),
      claims: claims.prefault({}).describe('which claim of a token names what'),
      members: issuerMembersSchema(),
    })
    .refine(
      (value) => (value.jwksUrl === undefined) !== (value.jwksFile === undefined),
      'give one of jwksUrl and jwksFile',
    );
  return z.discriminatedUnion(
    'mode',
    [
      z.strictObject({ mode: z.literal('open') }).describe('no token is asked for; only on a loopback address'),
      z
        .strictObject({ mode: z.literal('jwt'), issuers: z.array(issuer).min(1) })
        .describe('bearer tokens with SMART scopes'),
    ],
    { error: 'mode is open or jwt' },
  );
}

function terminologySchema() {
  const down = z.enum(['error', 'warning', 'ignore']).default('warning');
  return z.strictObject({
    url: httpUrl().describe(
      'FHIR base of a terminology server; it gets codes and value sets, nothing else of a resource',
    ),
    timeoutMs: integer(1, 60_000).default(2_000).describe('for one batch of questions'),
    whenDown: z
      .strictObject({ required: down, extensible: down })
      .prefault({})
      .describe('what a code that could not be asked about weighs, by strength of the binding'),
  });
}

function validationSchema(context: SchemaContext) {
  return z.strictObject({
    packagesDir: existingPath(context).describe('folder with FHIR packages (.tgz)'),
    packages: z
      .array(z.string().regex(/^[a-z0-9][a-z0-9.-]*#[0-9A-Za-z][0-9A-Za-z.-]*$/, 'id#version'))
      .min(1)
      .default(['hl7.fhir.r4.core#4.0.1'])
      .describe('packages to load, with what they depend on'),
    rules: existingPath(context).describe('rule set that the consortium agreed on (YAML)'),
    terminology: terminologySchema()
      .exactOptional()
      .describe('asked with `$validate-code` what cannot be told from the loaded packages; nobody when left out'),
    localRules: existingPath(context).exactOptional().describe('rules of this gateway alone, which can only tighten'),
  });
}

function provenanceSchema(context: SchemaContext) {
  return z.strictObject({
    masterKey: secret(context).describe(
      '32 bytes in base64; wraps every key that opens a record: without it no record can be read',
    ),
    keyDir: path(context)
      .exactOptional()
      .describe('folder of the key store, to back it up by a rule of its own; left out: dataDir'),
    outboxLimit: integer(100, 100_000_000)
      .default(1_000_000)
      .describe('events waiting for the ledger; beyond it the gateway answers 503'),
  });
}

function limitsSchema() {
  return z.strictObject({
    requestBytes: integer(KIBIBYTE, 1024 * MEBIBYTE)
      .default(50 * MEBIBYTE)
      .describe('larger requests get 413'),
    answerBytes: integer(KIBIBYTE, 1024 * MEBIBYTE)
      .default(100 * MEBIBYTE)
      .describe('larger upstream answers get 502'),
    jsonDepth: integer(16, 512).default(200).describe('deeper nesting gets 400'),
    bundleEntries: integer(1, 100_000).default(5_000).describe('entries of a batch or transaction; more get 413'),
    pageSize: integer(1, 1_000).default(50).describe('entries of a federated page when `_count` is not given'),
    requestsPerMinute: integer(1, 10_000_000).default(60_000).describe('per client; beyond it 429'),
    cursorLifetimeMs: integer(1_000, 7 * 86_400_000)
      .default(3_600_000)
      .describe('how long a paging link lives'),
  });
}

function federationSchema() {
  return z.strictObject({
    partialSearch: z
      .enum(['annotate', 'fail'])
      .default('annotate')
      .describe('a search with a failed upstream answers with the rest and an outcome entry, or fails as a whole'),
    operations: z
      .array(z.string().regex(/^[a-z][A-Za-z0-9-]*$/, 'the name of an operation without $'))
      .default(['everything'])
      .describe('operations passed on to upstreams, beside those that the gateway answers itself'),
    allowedOrigins: z
      .array(z.string().min(1))
      .default([])
      .describe('origins that a browser may call from; `*` for all'),
  });
}

/**
 * The whole configuration of one gateway. Transforms read secrets and make paths absolute, so the schema is built for one file.
 * @param context where relative paths start and which environment `{env: …}` reads
 */
export function configSchema(context: SchemaContext) {
  return z
    .strictObject({
      member: memberName.describe('this organisation, as named in the genesis file'),
      writer: memberName.describe('this gateway: each gateway of a member writes a chain of batches of its own'),
      listen: listenSchema().prefault({}),
      publicUrl: httpUrl()
        .exactOptional()
        .describe('base that clients see, e.g. behind a load balancer; else made of listen'),
      dataDir: path(context).describe('everything that this gateway keeps'),
      upstreams: z
        .record(upstreamName, upstreamSchema(context))
        .describe('FHIR servers behind this gateway, by the name that stands in their address'),
      auth: authSchema(context),
      validation: validationSchema(context),
      provenance: provenanceSchema(context),
      ledger: ledgerSchema(context),
      federation: federationSchema().prefault({}),
      limits: limitsSchema().prefault({}),
      logging: z
        .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') })
        .prefault({}),
    })
    .check(z.superRefine(crossChecks, { when: () => true }));
}

interface CrossChecked {
  readonly member: string;
  readonly listen: { readonly host: string };
  readonly upstreams: Readonly<Record<string, unknown>>;
  readonly auth:
    { readonly mode: 'open' } | { readonly mode: 'jwt'; readonly issuers: readonly { readonly issuer: string }[] };
  readonly ledger: {
    readonly topic: unknown;
    readonly cosignatureTopic: unknown;
    readonly peers: readonly { readonly member: string }[];
  };
}

/** Rules between parts. Runs also when parts are broken, so that all problems show at once: hence nothing is taken for granted. */
function crossChecks(config: CrossChecked, check: z.core.$RefinementCtx): void {
  if (!isObject(config)) return;
  const seen: { readonly [K in keyof CrossChecked]?: Partial<CrossChecked[K]> | undefined } = config;
  const refuse = (message: string, ...at: (string | number)[]) => check.addIssue({ code: 'custom', message, path: at });
  const host = seen.listen?.host;
  if (seen.auth?.mode === 'open' && typeof host === 'string' && !isLoopback(host)) {
    refuse('open mode binds to loopback only: set listen.host to 127.0.0.1, or auth.mode to jwt', 'auth', 'mode');
  }
  if (isObject(seen.upstreams) && Object.keys(seen.upstreams).length === 0)
    refuse('at least one upstream', 'upstreams');
  const peers: unknown = seen.ledger?.peers;
  if (Array.isArray(peers)) {
    repeated(peers, 'member').forEach((index) =>
      refuse('this member is named twice', 'ledger', 'peers', index, 'member'),
    );
    peers.forEach((peer: unknown, index) => {
      if (isObject(peer) && peer['member'] === config.member)
        refuse('this is the member itself, not a peer', 'ledger', 'peers', index, 'member');
    });
  }
  const issuers: unknown = isObject(seen.auth) && 'issuers' in seen.auth ? seen.auth.issuers : undefined;
  if (Array.isArray(issuers)) {
    repeated(issuers, 'issuer').forEach((index) =>
      refuse('this issuer is named twice', 'auth', 'issuers', index, 'issuer'),
    );
  }
  const { member, upstreams } = seen;
  checkCounterparts({ member, upstreams, issuers: Array.isArray(issuers) ? issuers : [] }, refuse);
  const { topic, cosignatureTopic } = seen.ledger ?? {};
  if (
    isObject(topic) &&
    topicAddress(topic) !== undefined &&
    isObject(cosignatureTopic) &&
    topicAddress(topic) === topicAddress(cosignatureTopic)
  ) {
    refuse('the same topic as ledger.topic; cosignatures need one of their own', 'ledger', 'cosignatureTopic');
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object';
}

function repeated(list: readonly unknown[], key: string): number[] {
  const names = list.map((item) => (isObject(item) ? item[key] : undefined));
  return names.flatMap((name, index) => (name !== undefined && names.indexOf(name) < index ? [index] : []));
}

function topicAddress(topic: Record<string, unknown>): string | undefined {
  if (topic['kind'] === 'file') return typeof topic['path'] === 'string' ? `file:${topic['path']}` : undefined;
  return typeof topic['topic'] === 'string' ? `kafka:${topic['topic']}` : undefined;
}
