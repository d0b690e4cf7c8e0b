import * as collections from './runtime-collections.ts';
import * as navigation from './runtime-navigation.ts';
import * as operators from './runtime-operators.ts';
import * as session from './runtime-session.ts';
import * as strings from './runtime-strings.ts';
import * as types from './runtime-types.ts';
import type { Session } from './session.ts';
import type { Item } from './values.ts';

const functions = { ...collections, ...navigation, ...operators, ...session, ...strings, ...types };

/** What generated code may call: these and nothing else. */
export type RuntimeName = {
  [K in keyof typeof functions]: (typeof functions)[K] extends (session: Session, ...parameters: Item[]) => unknown
    ? K
    : never;
}[keyof typeof functions];

export type RuntimeFunction = (session: Session, ...parameters: Item[]) => unknown;

export const runtime: Readonly<Record<RuntimeName, RuntimeFunction>> = functions as never;
