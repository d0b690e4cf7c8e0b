import { expectCount, expectMembers, expectObject, expectString, type LedgerJson } from './canonical-json.ts';
import { isOrigin } from './checkpoint.ts';
import { decodeBase64, encodeBase64 } from './encoding.ts';
import { FormatError } from './format-error.ts';
import { isMemberName } from './header-lines.ts';

/** Where a log goes on from another after an epoch change: `docs/ledger-format.md` section "Epoch". */
export interface PreviousLog {
  readonly origin: string;
  /** Size and root of its last final checkpoint: nothing beyond it counts. */
  readonly size: number;
  readonly root: Uint8Array;
  /** SHA-256 of each chain's last accepted header below `size`, by `<member>/<writer>`: the `prev` of its batch 1 here. */
  readonly chains: ReadonlyMap<string, Uint8Array>;
  /** Number that the genesis's rule set had there, so that numbers in events mean one thing in both logs. */
  readonly rules: number;
}

const HASH_BYTES = 32;
const MAXIMUM_CHAINS = 4096;

export function previousJson({ origin, size, root, chains, rules }: PreviousLog): LedgerJson {
  return {
    origin,
    size,
    root: encodeBase64(root),
    chains: Object.fromEntries([...chains].map(([chain, hash]) => [chain, encodeBase64(hash)])),
    rules,
  };
}

/** @param origin of the log whose genesis this is @throws {FormatError} malformed-genesis | malformed-json | malformed-encoding */
export function parsePreviousLog(value: LedgerJson, origin: string): PreviousLog {
  const object = expectObject(value, 'previous');
  expectMembers(object, ['origin', 'root', 'size'], ['chains', 'rules']);
  const previous = {
    origin: expectString(object['origin'], 'origin'),
    size: expectCount(object['size'], 'size'),
    root: hashOf(object['root']),
    chains: parseChains(object['chains'] ?? {}),
    rules: expectCount(object['rules'] ?? 0, 'rules'),
  };
  if (previous.size < 1 || !isOrigin(previous.origin) || previous.origin === origin) {
    throw new FormatError('malformed-genesis', 'a bad previous log');
  }
  return previous;
}

function parseChains(value: LedgerJson): ReadonlyMap<string, Uint8Array> {
  const entries = Object.entries(expectObject(value, 'chains'));
  if (entries.length > MAXIMUM_CHAINS) throw new FormatError('malformed-genesis', 'too many chains');
  return new Map(
    entries.map(([chain, hash]) => {
      const [member = '', writer = '', ...more] = chain.split('/');
      if (!isMemberName(member) || !isMemberName(writer) || more.length > 0)
        throw new FormatError('malformed-genesis', 'a chain is named <member>/<writer>');
      return [chain, hashOf(hash)];
    }),
  );
}

function hashOf(value: LedgerJson | undefined): Uint8Array {
  const hash = decodeBase64(expectString(value, 'a hash'));
  if (hash.length !== HASH_BYTES) throw new FormatError('malformed-genesis', 'a hash has 32 bytes');
  return hash;
}
