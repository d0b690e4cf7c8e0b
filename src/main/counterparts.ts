import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ReceivedDisclosures } from '../gateway/received-disclosures.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import { agreementPublicKey } from '../provenance/peer-tag.ts';
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

type AgreementKey = Pick<Config['ledger']['keys'], 'agreement'>;
interface AgreementConfig extends Pick<Config, 'member'> {
  readonly ledger: { readonly keys: AgreementKey; readonly nextKeys?: AgreementKey | undefined };
}

/**
 * The secrets that tags for other members are made with: of the own agreement key that is in force, `ledger.keys` or after a rotation `ledger.nextKeys`.
 * @throws {LedgerError} configuration: one of them is no X25519 key
 */
export function openAgreedKeys(
  { member: ownName, ledger }: AgreementConfig,
  members: () => readonly AgreementMember[],
): Pick<AgreedKeys, 'tagsWith'> {
  const configured = ledger.nextKeys === undefined ? [ledger.keys] : [ledger.keys, ledger.nextKeys];
  const sets = configured.map(({ agreement }) => {
    const ownPrivate = new Uint8Array(Buffer.from(agreement.reveal(), 'base64'));
    return { publicKey: publicKeyOf(ownPrivate), keys: new AgreedKeys({ ownName, ownPrivate, members }) };
  });
  return {
    tagsWith: (member) => {
      const inForce = members().find(({ name }) => name === ownName)?.agreementKey;
      return (sets.find(({ publicKey }) => publicKey === inForce) ?? sets[0])?.keys.tagsWith(member);
    },
  };
}

function publicKeyOf(ownPrivate: Uint8Array): string {
  try {
    return Buffer.from(agreementPublicKey(ownPrivate)).toString('base64');
  } catch (cause) {
    throw new LedgerError('configuration', 'an agreement key is no X25519 key of 32 bytes in base64', { cause });
  }
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
