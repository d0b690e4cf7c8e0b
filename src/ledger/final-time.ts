import { parseSignedCheckpoint } from './checkpoint.ts';
import { splitCosignature } from './cosignature.ts';
import type { FinalTime } from './tagged-events.ts';

const COSIGNATURE_BYTES = 72;

/**
 * When a final checkpoint was cosigned: the own cosignature's time, which nobody else could have chosen, or where there is none the middle one.
 * @param note a final checkpoint, already verified
 */
export function finalTimeOf(note: Uint8Array, member: string | undefined): FinalTime {
  const { checkpoint, note: signed } = parseSignedCheckpoint(note);
  const cosignatures = signed.signatures
    .filter(({ signature }) => signature.length === COSIGNATURE_BYTES)
    .map(({ name, signature }) => ({ name, seconds: splitCosignature(signature).timestampSeconds }));
  const own = cosignatures.find(({ name }) => name === `${member ?? ''}/cosigner`);
  const times = cosignatures.map(({ seconds }) => seconds).sort((a, b) => a - b);
  const seconds = own?.seconds ?? times[Math.floor(times.length / 2)] ?? 0;
  return { size: checkpoint.size, timeMs: seconds * 1000 };
}
