import type { Answer } from './answers.ts';
import { objects } from './code-system.ts';

/** One code and the value set that a terminology server is asked about. */
export interface RemoteQuestion {
  /** `url|version`. */
  readonly valueSet: string;
  /** Undefined for a bare code, whose system the server infers. */
  readonly system: string | undefined;
  readonly code: string;
}

/** `down`: nobody answered in time, or the breaker is open. */
export type RemoteAnswer = Answer | 'down';

export interface RemoteTerminologyOptions {
  /**
   * Sends a FHIR batch of `ValueSet/$validate-code` calls to the server's base and gives the batch-response's JSON.
   * Rejects when there is none within the time; must not follow it longer.
   */
  readonly send: (batch: object, timeoutMs: number) => Promise<unknown>;
  /** For one batch, 1 to 60 000. */
  readonly timeoutMs: number;
  /** Questions in one batch. */
  readonly batchSize?: number;
  readonly cacheSize?: number;
  readonly cacheMs?: number;
  /** Failed batches in a row after which the server is left alone. */
  readonly failuresToOpen?: number;
  readonly openMs?: number;
  /** Milliseconds of a clock that does not go back. */
  readonly now: () => number;
}

interface Cached {
  readonly answer: Answer;
  readonly until: number;
}

interface Waiting {
  readonly question: RemoteQuestion;
  readonly settle: (answer: RemoteAnswer) => void;
}

/**
 * Asks a terminology server what cannot be told offline: together what is asked in the same turn, once what was asked before, and not at all for
 * a while when it has failed repeatedly. Never rejects.
 */
export class RemoteTerminology {
  private readonly options: Required<RemoteTerminologyOptions>;
  /** In order of use, the oldest first. */
  private readonly cache = new Map<string, Cached>();
  private readonly asked = new Map<string, Promise<RemoteAnswer>>();
  private waiting: Waiting[] = [];
  private failures = 0;
  private openUntil = 0;

  constructor(options: RemoteTerminologyOptions) {
    this.options = {
      batchSize: 100,
      cacheSize: 20_000,
      cacheMs: 3_600_000,
      failuresToOpen: 3,
      openMs: 30_000,
      ...options,
    };
  }

  ask(question: RemoteQuestion): Promise<RemoteAnswer> {
    // As JSON, so that no code can be written to look like another question.
    const key = JSON.stringify([question.valueSet, question.system ?? null, question.code]);
    const cached = this.cache.get(key);
    if (cached !== undefined && cached.until > this.options.now()) {
      this.cache.delete(key);
      this.cache.set(key, cached);
      return Promise.resolve(cached.answer);
    }
    const pending = this.asked.get(key);
    if (pending !== undefined) return pending;
    const promise = new Promise<RemoteAnswer>((settle) => {
      if (this.waiting.length === 0) queueMicrotask(() => void this.flush());
      this.waiting.push({ question, settle });
    }).then((answer) => {
      this.asked.delete(key);
      if (answer === 'yes' || answer === 'no') this.keep(key, answer);
      return answer;
    });
    this.asked.set(key, promise);
    return promise;
  }

  private keep(key: string, answer: Answer): void {
    if (this.cache.size >= this.options.cacheSize) {
      const [oldest] = this.cache.keys();
      if (oldest !== undefined) this.cache.delete(oldest);
    }
    this.cache.set(key, { answer, until: this.options.now() + this.options.cacheMs });
  }

  private async flush(): Promise<void> {
    const { waiting } = this;
    this.waiting = [];
    for (let start = 0; start < waiting.length; start += this.options.batchSize) {
      await this.send(waiting.slice(start, start + this.options.batchSize));
    }
  }

  private async send(batch: readonly Waiting[]): Promise<void> {
    const answers = await this.exchange(batch.map(({ question }) => question));
    batch.forEach(({ settle }, index) => settle(answers?.[index] ?? 'down'));
  }

  private async exchange(questions: readonly RemoteQuestion[]): Promise<readonly RemoteAnswer[] | undefined> {
    const { now, timeoutMs, failuresToOpen, openMs } = this.options;
    if (now() < this.openUntil) return undefined;
    try {
      const answers = readAnswers(await this.options.send(batchOf(questions), timeoutMs), questions.length);
      this.failures = 0;
      return answers;
    } catch {
      // Why it failed is the transport's to log; here it only counts that there is no answer.
      this.failures++;
      if (this.failures >= failuresToOpen) this.openUntil = now() + openMs;
      return undefined;
    }
  }
}

function batchOf(questions: readonly RemoteQuestion[]): object {
  return {
    resourceType: 'Bundle',
    type: 'batch',
    entry: questions.map((question) => ({
      request: { method: 'POST', url: 'ValueSet/$validate-code' },
      resource: { resourceType: 'Parameters', parameter: parametersOf(question) },
    })),
  };
}

function parametersOf({ valueSet, system, code }: RemoteQuestion): object[] {
  const [url, version] = valueSet.split('|', 2);
  const parameters: object[] = [{ name: 'url', valueUri: url }];
  if (version !== undefined) parameters.push({ name: 'valueSetVersion', valueString: version });
  if (system === undefined)
    parameters.push({ name: 'code', valueCode: code }, { name: 'inferSystem', valueBoolean: true });
  else parameters.push({ name: 'coding', valueCoding: { system, code } });
  return parameters;
}

/** @throws {TypeError} for what is no answer to the batch */
function readAnswers(response: unknown, count: number): readonly RemoteAnswer[] {
  const entries = objects((response as { entry?: unknown } | null)?.entry);
  if (entries.length !== count) throw new TypeError('a batch-response of another length');
  return entries.map(({ resource }) => {
    const parameters = objects((resource as { parameter?: unknown } | undefined)?.parameter);
    const result = parameters.find((parameter) => parameter['name'] === 'result')?.['valueBoolean'];
    return result === true ? 'yes' : result === false ? 'no' : 'cannot-tell';
  });
}
