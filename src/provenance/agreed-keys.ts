import { agreedKey, PeerTags } from './peer-tag.ts';

/** A member as the membership in force has it; `agreementKey` is base64 of an X25519 public key. */
export interface AgreementMember {
  readonly name: string;
  readonly agreementKey: string;
}

/** K_AB with each other member. Computed once for each key, because an agreement costs as much as some fifty tags. */
export class AgreedKeys {
  readonly #ownName: string;
  readonly #ownPrivate: Uint8Array;
  readonly #members: () => readonly AgreementMember[];
  readonly #known = new Map<string, { readonly agreementKey: string; readonly tags: PeerTags | undefined }>();

  /**
   * @param options.ownPrivate 32 bytes
   * @param options.members asked each time: a key may be rotated, and a member admitted
   */
  constructor(options: {
    readonly ownName: string;
    readonly ownPrivate: Uint8Array;
    readonly members: () => readonly AgreementMember[];
  }) {
    this.#ownName = options.ownName;
    this.#ownPrivate = options.ownPrivate;
    this.#members = options.members;
  }

  /** The tags shared with a member; undefined for who is no other member, or whose key is one that everybody would know the secret of. */
  tagsWith(member: string): PeerTags | undefined {
    const found = this.#members().find(({ name }) => name === member);
    if (found === undefined || member === this.#ownName) return undefined;
    const known = this.#known.get(member);
    if (known?.agreementKey === found.agreementKey) return known.tags;
    const tags = this.#agree(found.agreementKey);
    this.#known.set(member, { agreementKey: found.agreementKey, tags });
    return tags;
  }

  #agree(agreementKey: string): PeerTags | undefined {
    try {
      return new PeerTags(agreedKey(this.#ownPrivate, Buffer.from(agreementKey, 'base64')));
    } catch {
      return undefined;
    }
  }
}
