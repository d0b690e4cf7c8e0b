import { AppError } from '../errors.ts';

/** `unreachable`: no answer in time; `refused`: an answer that is none of the protocol's; `too-long`: more than anything here can be. */
export type PeerCode = 'unreachable' | 'refused' | 'too-long';

export class PeerError extends AppError<PeerCode> {}
