import { z } from 'zod';
import { memberName } from './schema-parts.ts';

/** Which tokens of an issuer are of another member, so that a disclosure to it can be told from one to a client of our own. */
export function issuerMembersSchema() {
  const values = (what: string) => z.array(z.string().min(1)).min(1).exactOptional().describe(what);
  const entry = z.strictObject({
    member: memberName.describe('as in the genesis file'),
    clients: values('its clients, by the claim `claims.client`'),
    organisations: values('its organisations, by the claim `claims.organisation`'),
  });
  return z
    .array(entry)
    .default([])
    .describe(
      'callers that are other members; one without clients and organisations has all other tokens of the issuer',
    );
}

type Refuse = (message: string, ...at: (string | number)[]) => void;

/** Rules between the settings that name other members. Nothing is taken for granted: it runs also when the parts are broken. */
export function checkCounterparts(
  config: { readonly member?: unknown; readonly upstreams?: unknown; readonly issuers: readonly unknown[] },
  refuse: Refuse,
): void {
  const own = 'this is the member itself, not another one';
  if (isObject(config.upstreams)) {
    for (const [name, upstream] of Object.entries(config.upstreams)) {
      if (isObject(upstream) && upstream['member'] !== undefined && upstream['member'] === config.member)
        refuse(own, 'upstreams', name, 'member');
    }
  }
  config.issuers.forEach((issuer, at) => {
    const members: unknown = isObject(issuer) ? issuer['members'] : undefined;
    if (!Array.isArray(members)) return;
    const seen = new Set<string>();
    members.forEach((entry: unknown, index) => {
      if (!isObject(entry)) return;
      const place = ['auth', 'issuers', at, 'members', index] as const;
      if (entry['member'] === config.member) refuse(own, ...place, 'member');
      for (const name of namesIn(entry)) {
        if (seen.has(name)) refuse('whose token this is has been said before', ...place);
        seen.add(name);
      }
    });
  });
}

function namesIn(entry: Record<string, unknown>): string[] {
  const { clients, organisations } = entry;
  if (clients === undefined && organisations === undefined) return ['issuer'];
  const texts = (list: unknown, kind: string) =>
    Array.isArray(list) ? list.map((one) => `${kind} ${String(one)}`) : [];
  return [...texts(clients, 'client'), ...texts(organisations, 'organisation')];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object';
}
