import type { WitnessClient } from '../ledger/peer.ts';
import { postCheckpoint } from './peer-client.ts';

/**
 * An outside witness over HTTP (C2SP tlog-witness).
 * @param options.url its base, below which `add-checkpoint` is
 * @param options.signal ends what is under way, as if the witness could not be reached
 */
export function createWitnessClient(options: {
  readonly name: string;
  readonly url: string;
  readonly verifierKey: string;
  readonly signal?: AbortSignal | undefined;
}): WitnessClient {
  const url = `${options.url.replace(/\/+$/, '')}/add-checkpoint`;
  return {
    name: options.name,
    verifierKey: options.verifierKey,
    addCheckpoint: (body) => postCheckpoint(url, body, options.signal),
  };
}
