import { DatabaseSync } from 'node:sqlite';
import { ProvenanceError } from './provenance-error.ts';

/** Statements that lead from the version before (its index) to the next; never changed once released. */
export type Migrations = readonly string[];

/**
 * The store of records. In clear: event ids and bytes (public on the ledger), times and closed codes of ours; all else that
 * came from outside is an HMAC tag or ciphertext.
 */
export const RECORD_MIGRATIONS: Migrations = [
  `
  CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL UNIQUE,
    time_ms INTEGER NOT NULL,
    kind TEXT NOT NULL,
    interaction TEXT NOT NULL,
    outcome TEXT NOT NULL,
    sealed BLOB NOT NULL
  );
  CREATE INDEX record_time ON record (time_ms, sequence);
  CREATE TABLE part (record INTEGER NOT NULL, tag BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (record, tag)) WITHOUT ROWID;
  CREATE TABLE record_index (tag BLOB NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (tag, record)) WITHOUT ROWID;
  CREATE TABLE intent (event_id BLOB PRIMARY KEY, started_ms INTEGER NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE pending (sequence INTEGER PRIMARY KEY, committed_ms INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE TABLE batch (
    writer TEXT NOT NULL,
    number INTEGER NOT NULL,
    header_hash BLOB NOT NULL,
    first_event INTEGER NOT NULL,
    count INTEGER NOT NULL,
    through_sequence INTEGER NOT NULL UNIQUE,
    frame BLOB,
    leaf_index INTEGER,
    PRIMARY KEY (writer, number)
  ) WITHOUT ROWID;
  CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE tombstone (tag BLOB PRIMARY KEY, event_id BLOB NOT NULL, erased_ms INTEGER NOT NULL, key_id BLOB) WITHOUT ROWID;
  `,
  // Version 2 tells at a glance which records changed an upstream, because only those are shown as Provenance, and answers everything
  // but the index tags from one narrow index: counting need not read the sealed records.
  `
  ALTER TABLE record ADD COLUMN writes INTEGER NOT NULL DEFAULT 0;
  UPDATE record SET writes = 1
    WHERE outcome = '0' AND interaction IN ('create', 'update', 'patch', 'delete', 'batch', 'transaction');
  DROP INDEX record_time;
  CREATE INDEX record_facts ON record (time_ms, sequence, kind, interaction, outcome, writes);
  CREATE INDEX record_writes ON record (time_ms, sequence) WHERE writes = 1;
  CREATE INDEX batch_unsequenced ON batch (writer, number) WHERE leaf_index IS NULL;
  CREATE INDEX batch_frame ON batch (leaf_index) WHERE frame IS NOT NULL;
  `,
  // Version 3 notes which log the batches belong to, and keeps apart what an ended log has for good.
  `
  CREATE TABLE log (number INTEGER PRIMARY KEY, origin TEXT NOT NULL, genesis BLOB NOT NULL);
  CREATE TABLE past_batch (
    through_sequence INTEGER PRIMARY KEY,
    writer TEXT NOT NULL,
    number INTEGER NOT NULL,
    header_hash BLOB NOT NULL,
    first_event INTEGER NOT NULL,
    count INTEGER NOT NULL,
    leaf_index INTEGER
  );
  `,
];

/** The store of keys, apart from the records because its backups must be short-lived: an old copy would undo an erasure. */
export const KEY_MIGRATIONS: Migrations = [
  `
  CREATE TABLE own_key (name TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
  CREATE TABLE subject_key (tag BLOB PRIMARY KEY, key_id BLOB NOT NULL, wrapped BLOB NOT NULL) WITHOUT ROWID;
  `,
];

/**
 * Opens a store, creating or upgrading it. Every commit is on the disk when it returns.
 * @param path of the database file
 * @throws {ProvenanceError} schema: written by a newer release | unavailable: cannot be opened
 */
export function openDatabase(path: string, migrations: Migrations): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 5000 });
    // secure_delete: what an erasure or a settled intent frees is overwritten, not only unlinked.
    database.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; ' +
        // Checkpoints four times rarer than by default: pages that many records share are then written back once (a fifth less time a record).
        'PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4000;',
    );
    migrate(database, migrations);
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof ProvenanceError) throw cause;
    throw new ProvenanceError('unavailable', 'a provenance store cannot be opened', { cause });
  }
}

function migrate(database: DatabaseSync, migrations: Migrations): void {
  const row = database.prepare('PRAGMA user_version').get() as { user_version: number };
  if (row.user_version > migrations.length) {
    throw new ProvenanceError(
      'schema',
      `store has schema ${row.user_version}, this release knows ${migrations.length}`,
    );
  }
  for (let version = row.user_version; version < migrations.length; version++) {
    // One transaction a step: a crash leaves the schema of one whole version.
    database.exec(`BEGIN IMMEDIATE; ${migrations[version]}; PRAGMA user_version=${version + 1}; COMMIT;`);
  }
}

/**
 * Writes the log back and empties it, so that no older state of a page is left in it.
 * @throws {ProvenanceError} unavailable: somebody reads an older state, such as a backup under way
 */
export function truncateLog(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  if (row?.['busy'] !== 0) throw new ProvenanceError('unavailable', 'the log of a store cannot be emptied now');
}

/** Whether an error says that the disk, not the statement, is at fault. */
export function isStorageFailure(error: unknown): boolean {
  const code = (error as { errcode?: number } | undefined)?.errcode;
  // SQLITE_BUSY, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB, and their extended codes.
  return code !== undefined && [5, 7, 8, 10, 11, 13, 14, 26].includes(code & 0xff);
}
