import type { Config, UpstreamConfig } from '../config/config.ts';
import { UpstreamClient } from '../gateway/upstream-client.ts';
import type { ReceivedDisclosure } from '../provenance/exchange-record.ts';

/** One client for each FHIR server of the configuration, in its order. */
export function openUpstreams(
  config: Config,
  closers: (() => Promise<void> | void)[],
  onDisclosed: (received: ReceivedDisclosure) => void,
): ReadonlyMap<string, UpstreamClient> {
  const open = (name: string, { url, auth, member, timeouts, concurrency }: UpstreamConfig): UpstreamClient =>
    new UpstreamClient({
      name,
      url,
      auth: upstreamAuth(auth),
      ...(member !== undefined && { member }),
      onDisclosed,
      connectTimeoutMs: timeouts.connectMs,
      headersTimeoutMs: timeouts.headersMs,
      totalTimeoutMs: timeouts.totalMs,
      concurrency,
      answerBodyBytes: config.limits.answerBytes,
      clock: Date.now,
      jitter: Math.random,
    });
  const upstreams = new Map(Object.entries(config.upstreams).map(([name, upstream]) => [name, open(name, upstream)]));
  closers.push(async () => void (await Promise.all([...upstreams.values()].map((upstream) => upstream.close()))));
  return upstreams;
}

function upstreamAuth(auth: UpstreamConfig['auth']): ConstructorParameters<typeof UpstreamClient>[0]['auth'] {
  switch (auth.kind) {
    case 'none':
      return auth;
    case 'basic':
      return { kind: 'basic', username: auth.username, password: auth.password.reveal() };
    case 'bearer':
      return { kind: 'bearer', token: auth.token.reveal() };
  }
}
