import { join } from 'node:path';
import { buildBatch, MAXIMUM_BATCH_EVENTS } from '../src/ledger/batch.ts';
import { parseSignerKey } from '../src/ledger/note-key.ts';
import { makeSoloConsortium, ORIGIN, randomEvent, startChain, WRITER } from './bench-ledger-consortium.ts';
import { compared, perSecond, type Row } from './bench-ledger-row.ts';
import { BenchSealStore } from './bench-seal-store.ts';

const BATCHES = 400;
const WARM_UP_BATCHES = 40;
const SINGLE_EVENTS = 4000;

/** Committed events in memory to signed bytes, beside one signature for each event; and the same with each batch saved to disk before the next. */
export function benchSeal(folder: string): Row[] {
  const { member } = makeSoloConsortium();
  const signer = parseSignerKey(member.keys.batch);
  const events = Array.from({ length: BATCHES * MAXIMUM_BATCH_EVENTS }, () => randomEvent().bytes);
  const batches = Array.from({ length: BATCHES }, (_, i) =>
    events.slice(i * MAXIMUM_BATCH_EVENTS, (i + 1) * MAXIMUM_BATCH_EVENTS),
  );
  const seal = startChain(signer, member.name);
  for (const batch of batches.slice(0, WARM_UP_BATCHES)) seal(batch);
  let startedMs = performance.now();
  for (const batch of batches) seal(batch);
  const sealed = perSecond(events.length, startedMs);
  const single = startChain(signer, member.name);
  startedMs = performance.now();
  for (const event of events.slice(0, SINGLE_EVENTS)) single([event]);
  const baseline = { name: 'one signature per event', value: perSecond(SINGLE_EVENTS, startedMs) };
  const durable = sealDurably(new BenchSealStore(WRITER, join(folder, 'sealed.db')), events);
  return [
    compared({ name: 'seal', value: sealed, unit: 'events/s', baseline }),
    { name: 'seal durably', value: durable, unit: 'events/s' },
  ];

  function sealDurably(store: BenchSealStore, committed: readonly Uint8Array[]): number {
    for (const event of committed) store.commit(event);
    const began = performance.now();
    for (;;) {
      const pending = store.pending(MAXIMUM_BATCH_EVENTS);
      if (pending.length === 0) return perSecond(committed.length, began);
      const head = store.head();
      const batch = head.batch + 1;
      const built = buildBatch({
        log: ORIGIN,
        member: member.name,
        writer: WRITER,
        batch,
        prev: head.headerHash,
        firstEvent: head.nextEvent,
        events: pending.map((event) => event.bytes),
        signer,
      });
      store.saveSealed({ ...built, batch });
    }
  }
}
