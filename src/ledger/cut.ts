import { assertSoleSigner } from './batch.ts';
import { FormatError } from './format-error.ts';
import { encodeFrame } from './frame.ts';
import { HeaderLines, isMemberName } from './header-lines.ts';
import { parseNote, signNote } from './note.ts';
import type { ParsedNote } from './note.ts';
import type { NoteSigner } from './note-key.ts';

/**
 * A cut: the first valid one with number n, by order, makes its leaf index + 1 a size that every member signs. It has no body; a reader
 * ignores one, because the leaf does not cover it.
 */
export interface Cut {
  readonly log: string;
  readonly member: string;
  /** From 1, dense. */
  readonly cut: number;
}

const TITLE = 'concordat/cut/v1';

/** The topic record of a cut, signed with the member's batch key. @throws {FormatError} malformed-cut */
export function buildCut(args: Cut & { readonly signer: NoteSigner }): Uint8Array {
  const { log, member, cut, signer } = args;
  if (!isMemberName(member) || signer.key.name !== member)
    throw new FormatError('malformed-cut', 'the key is not the member’s');
  const header = signNote(`${TITLE}\nlog ${log}\nmember ${member}\ncut ${cut}\n`, [signer]);
  return encodeFrame({ kind: 'cut', header, body: new Uint8Array(0) });
}

/** Reads a cut's header, without checking its signature. @throws {FormatError} malformed-cut | malformed-note | malformed-encoding */
export function parseCutHeader(header: Uint8Array): Cut & { readonly note: ParsedNote } {
  const note = parseNote(header);
  const lines = new HeaderLines(note.text, TITLE, 'malformed-cut');
  const cut = { log: lines.text('log'), member: lines.text('member'), cut: lines.count('cut', 1), note };
  lines.end();
  if (!isMemberName(cut.member)) throw new FormatError('malformed-cut', 'a bad name');
  assertSoleSigner(note, cut.member, 'malformed-cut');
  return cut;
}
