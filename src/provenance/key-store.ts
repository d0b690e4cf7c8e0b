import { randomBytes } from 'node:crypto';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { hmacSha256 } from '../hash.ts';
import { KEY_BYTES, seal, unseal } from './cipher.ts';
import { ProvenanceError } from './provenance-error.ts';
import { KEY_MIGRATIONS, openDatabase, truncateLog } from './schema.ts';

/** The random key of one upstream Patient, and the random name by which an erasure knows it again. */
export interface SubjectKey {
  readonly key: Uint8Array;
  readonly keyId: Uint8Array;
}

const OWN_KEYS = ['store', 'index'] as const;
const TAG_BYTES = 16;
/** Bytes of the random name of a subject key. */
export const KEY_ID_BYTES = 16;
const CACHED = 20_000;

/**
 * Keys of one gateway in a SQLite file of their own, each wrapped (AES-256-GCM) by the master key, which is handed in and never stored here.
 * The `store` key seals records, the `index` key makes tags, and each upstream Patient has a random key that an erasure destroys.
 */
export class KeyStore {
  readonly storeKey: Uint8Array;
  readonly #indexKey: Uint8Array;
  readonly #database: DatabaseSync;
  readonly #selectSubject: StatementSync;
  readonly #insertSubject: StatementSync;
  #masterKey: Uint8Array;
  readonly #subjects = new Map<string, SubjectKey>();
  /** Made and already used, not yet on the disk. */
  readonly #unsaved = new Map<string, SubjectKey>();
  readonly #tags = new Map<string, Uint8Array>();

  /** @param masterKey 32 bytes. @throws {ProvenanceError} key: not the one that wrapped this store | schema | unavailable */
  constructor(path: string, masterKey: Uint8Array) {
    if (masterKey.length !== KEY_BYTES) throw new ProvenanceError('key', `a master key has ${KEY_BYTES} bytes`);
    this.#masterKey = masterKey;
    this.#database = openDatabase(path, KEY_MIGRATIONS);
    this.#selectSubject = this.#database.prepare('SELECT key_id, wrapped FROM subject_key WHERE tag = ?');
    this.#insertSubject = this.#database.prepare('INSERT INTO subject_key (tag, key_id, wrapped) VALUES (?, ?, ?)');
    try {
      [this.storeKey, this.#indexKey] = this.#openOwnKeys();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  #openOwnKeys(): [Uint8Array, Uint8Array] {
    const select = this.#database.prepare('SELECT wrapped FROM own_key WHERE name = ?');
    const keys = OWN_KEYS.map((name) => {
      const row = select.get(name) as { wrapped: Uint8Array } | undefined;
      if (row !== undefined) return unwrap(this.#masterKey, row.wrapped, `own ${name}`);
      const key = randomBytes(KEY_BYTES);
      this.#database
        .prepare('INSERT INTO own_key (name, wrapped) VALUES (?, ?)')
        .run(name, seal(this.#masterKey, key, `own ${name}`));
      return key;
    });
    return keys as [Uint8Array, Uint8Array];
  }

  /** Index tag of a value, 16 bytes: HMAC-SHA-256 under the index key, so that the store cannot be searched without it. */
  tag(field: string, value: string): Uint8Array {
    const text = `${field}\n${value}`;
    const known = this.#tags.get(text);
    if (known !== undefined) return known;
    const tag = hmacSha256(this.#indexKey, Buffer.from(text, 'utf8')).slice(0, TAG_BYTES);
    if (this.#tags.size >= CACHED) this.#tags.clear();
    this.#tags.set(text, tag);
    return tag;
  }

  /** Tag of an upstream Patient; also its tombstone once erased. */
  patientTag(upstream: string, patient: string): Uint8Array {
    return this.tag('patient', `${upstream}/Patient/${patient}`);
  }

  /** The Patient's key, or undefined where none was ever made or it was destroyed. */
  subjectKey(tag: Uint8Array): SubjectKey | undefined {
    const name = nameOf(tag);
    const known = this.#subjects.get(name);
    if (known !== undefined) return known;
    const row = this.#selectSubject.get(tag) as { key_id: Uint8Array; wrapped: Uint8Array } | undefined;
    if (row === undefined) return undefined;
    const subject = { key: unwrap(this.#masterKey, row.wrapped, `subject ${name}`), keyId: row.key_id };
    this.#remember(name, subject);
    return subject;
  }

  /** The Patient's key, made where there is none; a new one MUST be saved by `saveNewKeys` before anything sealed with it is. */
  subjectKeyOrNew(tag: Uint8Array): SubjectKey {
    const known = this.subjectKey(tag);
    if (known !== undefined) return known;
    const subject = { key: randomBytes(KEY_BYTES), keyId: randomBytes(KEY_ID_BYTES) };
    this.#remember(nameOf(tag), subject);
    this.#unsaved.set(nameOf(tag), subject);
    return subject;
  }

  /**
   * Writes new keys in one durable transaction. A crash right after leaves keys that open nothing: harmless.
   * @throws {ProvenanceError} key: the master key was rotated behind this process
   */
  saveNewKeys(): void {
    if (this.#unsaved.size === 0) return;
    this.#transaction(() => {
      this.#assertSameMaster();
      for (const [name, subject] of this.#unsaved) {
        this.#insertSubject.run(
          Buffer.from(name, 'hex'),
          subject.keyId,
          seal(this.#masterKey, subject.key, `subject ${name}`),
        );
      }
    });
    this.#unsaved.clear();
  }

  #assertSameMaster(): void {
    const row = this.#database.prepare("SELECT wrapped FROM own_key WHERE name = 'store'").get();
    unwrap(this.#masterKey, row?.['wrapped'] as Uint8Array, 'own store');
  }

  /**
   * Destroys one key and every trace of it in this file: the page is overwritten and the write-ahead log truncated.
   * @param keyId only the key of that name, so that one made after the erasure stays; undefined: whichever is there
   * @throws {ProvenanceError} unavailable: a copy is being taken, so that the log still holds the wrapped key; ask again
   */
  destroy(tag: Uint8Array, keyId?: Uint8Array): void {
    const name = nameOf(tag);
    const current = this.subjectKey(tag);
    if (current !== undefined && (keyId === undefined || nameOf(current.keyId) === nameOf(keyId))) {
      this.#database.prepare('DELETE FROM subject_key WHERE tag = ?').run(tag);
      current.key.fill(0);
      this.#subjects.delete(name);
      this.#unsaved.delete(name);
      this.#tags.clear();
    }
    truncateLog(this.#database);
  }

  /** Wraps every key anew, in one transaction: a crash leaves all of them under the one or the other master key. */
  rotateMasterKey(newMasterKey: Uint8Array): void {
    if (newMasterKey.length !== KEY_BYTES) throw new ProvenanceError('key', `a master key has ${KEY_BYTES} bytes`);
    this.saveNewKeys();
    this.#transaction(() => {
      this.#rewrap('own_key', 'name', (row) => `own ${String(row)}`, newMasterKey);
      this.#rewrap('subject_key', 'tag', (row) => `subject ${nameOf(row as Uint8Array)}`, newMasterKey);
    });
    this.#masterKey = newMasterKey;
    truncateLog(this.#database);
  }

  #rewrap(table: string, column: string, context: (row: unknown) => string, newMasterKey: Uint8Array): void {
    const update = this.#database.prepare(`UPDATE ${table} SET wrapped = ? WHERE ${column} = ?`);
    const rows = this.#database.prepare(`SELECT ${column} AS id, wrapped FROM ${table}`).all() as {
      id: string | Uint8Array;
      wrapped: Uint8Array;
    }[];
    for (const { id, wrapped } of rows) {
      update.run(seal(newMasterKey, unwrap(this.#masterKey, wrapped, context(id)), context(id)), id);
    }
  }

  /** The database, for a consistent copy (`VACUUM INTO`). */
  get database(): DatabaseSync {
    return this.#database;
  }

  close(): void {
    this.#database.close();
  }

  #remember(name: string, subject: SubjectKey): void {
    if (this.#subjects.size >= CACHED) {
      this.#subjects.clear();
      for (const [unsavedName, unsaved] of this.#unsaved) this.#subjects.set(unsavedName, unsaved);
    }
    this.#subjects.set(name, subject);
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function unwrap(masterKey: Uint8Array, wrapped: Uint8Array, context: string): Uint8Array {
  try {
    return unseal(masterKey, wrapped, context);
  } catch (cause) {
    throw new ProvenanceError('key', 'the master key does not open the key store', { cause });
  }
}

function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
