import { callFhir, countOf } from './fhir-client.ts';
import type { Call, Reply } from './fhir-client.ts';
import { readPatientBundles } from './patient-bundles.ts';
import type { PatientBundle } from './patient-bundles.ts';
import { defectiveCalls, refusalOf } from './refusals.ts';
import type { Refusal } from './refusals.ts';
import type { TokenIssuer } from './token-issuer.ts';

export interface StoryMember {
  readonly name: string;
  readonly gatewayUrl: string;
  readonly upstreams: readonly { readonly name: string }[];
}

export interface StoryArguments {
  readonly members: readonly StoryMember[];
  readonly issuer: TokenIssuer;
  /** Told after each step: how much of the whole it was, and what. */
  readonly onStep: (steps: number, note: string) => void;
  /** Told once how many steps there will be. */
  readonly onPlan: (steps: number) => void;
}

export interface StoryResult {
  /** Exchanges that a gateway accepted. */
  readonly accepted: number;
  readonly refusals: readonly Refusal[];
  /** What did not go as it must, for people. */
  readonly faults: readonly string[];
  /** The last event of each member whose gateway was called, and one for the receipt. */
  readonly lastEvents: ReadonlyMap<string, string>;
  readonly receiptEvent: string | undefined;
  readonly patients: number;
  readonly resources: number;
}

const HOUR_MS = 3_600_000;
const EVERYTHING = 'system/*.cruds';
const NARROW = 'user/Patient.rs';

/** Plays the clients: pushes the patients that are not there yet, pulls across members, and tries what must be refused. */
export async function tellStory({ members, issuer, onStep, onPlan }: StoryArguments): Promise<StoryResult> {
  const story = new Story(issuer);
  const bundles = readPatientBundles();
  const places = members.flatMap((member) => member.upstreams.map((upstream) => ({ member, upstream: upstream.name })));
  const stays = bundles.map((bundle, index) => ({
    bundle,
    ...(places[index % places.length] as (typeof places)[number]),
  }));
  onPlan(bundles.reduce((sum, bundle) => sum + bundle.entries, 0) + members.length * 20);
  await Promise.all(
    members.map(async (member) => {
      for (const { bundle, upstream } of stays.filter((stay) => stay.member === member)) {
        await story.push(member, upstream, bundle);
        onStep(bundle.entries, `${member.name}/${upstream}: ${bundle.entries} resources`);
      }
    }),
  );
  for (const [index, member] of members.entries()) {
    const reader = members[(index + 1) % members.length] ?? member;
    const patientId = await story.pull(member, reader.name);
    onStep(10, `${reader.name} reads at ${member.name}`);
    if (patientId !== undefined) await story.tryDefects(member, index, patientId);
    onStep(10, `${member.name} refuses`);
  }
  const resources = bundles.reduce((sum, bundle) => sum + bundle.entries, 0);
  return { ...story.result(), patients: bundles.length, resources };
}

class Story {
  readonly #issuer: TokenIssuer;
  readonly #lastEvents = new Map<string, string>();
  readonly #refusals: Refusal[] = [];
  readonly #faults: string[] = [];
  #accepted = 0;
  #receiptEvent: string | undefined;

  constructor(issuer: TokenIssuer) {
    this.#issuer = issuer;
  }

  result(): Omit<StoryResult, 'patients' | 'resources'> {
    return {
      accepted: this.#accepted,
      refusals: this.#refusals,
      faults: this.#faults,
      lastEvents: this.#lastEvents,
      receiptEvent: this.#receiptEvent,
    };
  }

  async push(member: StoryMember, upstream: string, bundle: PatientBundle): Promise<void> {
    const token = this.#token(member.name, EVERYTHING);
    const found = await this.#accept(member, 'a look for the patient', {
      method: 'GET',
      url: `${member.gatewayUrl}/${upstream}/Patient?identifier=${encodeURIComponent(bundle.identifier)}`,
      token,
    });
    // A start after a crash finds what was pushed before; a transaction is there whole or not at all.
    if (found === undefined || countOf(found.body) > 0) return;
    const pushed = await this.#accept(member, 'a patient', {
      method: 'POST',
      url: `${member.gatewayUrl}/${upstream}`,
      token,
      body: bundle.text,
    });
    if (pushed?.event != null) this.#receiptEvent ??= pushed.event;
  }

  /** A client of another member searches, reads, and follows what it found. Resolves with the upstream-local id of a patient. */
  async pull(member: StoryMember, reader: string): Promise<string | undefined> {
    const token = this.#token(reader, EVERYTHING);
    const upstream = member.upstreams[0]?.name ?? '';
    const base = `${member.gatewayUrl}/${upstream}`;
    const read = (what: string, url: string) => this.#accept(member, what, { method: 'GET', url, token });
    const patients = await read('a search', `${base}/Patient?_count=5`);
    const id = firstId(patients?.body);
    if (id === undefined) {
      this.#faults.push(`${member.name}/${upstream}: no patient was found`);
      return undefined;
    }
    const patient = await read('a read', `${base}/Patient/${id}`);
    const versionId = /"([^"]+)"/.exec(patient?.etag ?? '')?.[1] ?? '1';
    await read('a version', `${base}/Patient/${id}/_history/${versionId}`);
    await read('observations', `${base}/Observation?patient=${id}&_count=20`);
    await read('a federated search', `${member.gatewayUrl}/Patient?_count=10`);
    const federated = await read('a federated read', `${member.gatewayUrl}/Patient/${upstream}.${id}`);
    if (federated?.event != null) this.#receiptEvent ??= federated.event;
    return id;
  }

  async tryDefects(member: StoryMember, index: number, patientId: string): Promise<void> {
    const calls = defectiveCalls({
      gatewayUrl: member.gatewayUrl,
      upstream: member.upstreams[0]?.name ?? '',
      patientId,
      writer: this.#token(member.name, EVERYTHING),
      narrow: this.#token(member.name, NARROW),
    });
    // Each gateway gets a third of the defects, and all of them the last two: no token, and a token that does not allow it.
    const chosen = calls.filter((_, place) => place >= calls.length - 2 || place % 3 === index % 3);
    for (const defective of chosen) {
      const reply = await callFhir(defective.call);
      const refusal = refusalOf(defective, reply);
      if (reply.event !== null) this.#lastEvents.set(member.name, reply.event);
      if (refusal.status !== refusal.expected) {
        this.#faults.push(`${member.name}: ${refusal.title}: answered ${refusal.status}, not ${refusal.expected}`);
      }
      if (refusal.status >= 400) this.#refusals.push(refusal);
    }
  }

  async #accept(member: StoryMember, what: string, call: Call): Promise<Reply | undefined> {
    const reply = await callFhir(call);
    if (reply.event !== null) this.#lastEvents.set(member.name, reply.event);
    if (reply.status < 300) {
      this.#accepted += 1;
      return reply;
    }
    const issue = refusalOf({ title: what, expected: 200, upstream: '', type: '', call }, reply).issues[0];
    this.#faults.push(
      `${member.name}: ${what} was answered with ${reply.status} (${issue?.code ?? ''} ${issue?.expression ?? ''})`,
    );
    return undefined;
  }

  #token(organisation: string, scope: string): string {
    const client = `${organisation}-ehr`;
    return this.#issuer.issue({
      client,
      user: `clinician@${organisation}`,
      organisation,
      purpose: 'TREAT',
      scope,
      lifetimeMs: HOUR_MS,
    });
  }
}

function firstId(bundle: unknown): string | undefined {
  const entries = (bundle as { entry?: { resource?: { id?: string } }[] } | undefined)?.entry;
  return entries?.[0]?.resource?.id;
}
