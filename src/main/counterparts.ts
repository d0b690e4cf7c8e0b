import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ReceivedDisclosures } from '../gateway/received-disclosures.ts';
import { AgreedKeys, type AgreementMember } from '../provenance/agreed-keys.ts';
import type { AcknowledgedFor } from '../provenance/acknowledgement.ts';
import type { ExchangeRecorder } from '../provenance/recorder.ts';

/** Every place of a configuration that names another member as the other end of exchanges. */
export function counterparts({ upstreams, auth }: Config): { readonly path: string; readonly member: string }[] {
  const named = Object.entries(upstreams).flatMap(([name, { member }]) =>
    member === undefined ? [] : [{ path: `upstreams.${name}.member`, member }],
  );
  if (auth.mode !== 'jwt') return named;
  auth.issuers.forEach(({ members }, at) =>
    members.forEach(({ member }, index) =>
      named.push({ path: `auth.issuers[${at}].members[${index}].member`, member }),
    ),
  );
  return named;
}

/** The secrets that tags for other members are made with. */
export function openAgreedKeys(config: Config, members: () => readonly AgreementMember[]): AgreedKeys {
  const ownPrivate = new Uint8Array(Buffer.from(config.ledger.keys.agreement.reveal(), 'base64'));
  return new AgreedKeys({ ownName: config.member, ownPrivate, members });
}

/** Members that the configuration names and that are none, or not active, by the membership in force; each once. */
export function unknownCounterparts(
  config: Config,
  members: readonly { readonly name: string; readonly active: boolean }[],
): string[] {
  const active = new Set(members.filter((member) => member.active).map(({ name }) => name));
  return [...new Set(counterparts(config).map(({ member }) => member))].filter((member) => !active.has(member));
}

/** Gathers what members' gateways disclose to exchanges; what belongs to none is acknowledged by itself. */
export function openReceivedDisclosures(
  recorder: ExchangeRecorder,
  context: () => AcknowledgedFor['context'],
  logger: Logger,
): ReceivedDisclosures {
  return new ReceivedDisclosures((received) => {
    recorder.acknowledge(received, context()).catch((error: unknown) => {
      // The other member's report will list them; nothing was shown to anybody here.
      logger.warn({ count: received.length, code: codeOf(error) }, 'disclosures could not be acknowledged');
    });
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unexpected';
}
