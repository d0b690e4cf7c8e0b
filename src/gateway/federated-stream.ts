import { toValue } from '../fhir/json-text.ts';
import type { CursorPosition } from './cursor.ts';
import type { Exchange, FailedUpstream, Reply, ReplyItem } from './plan.ts';
import { pathBelow } from './search-page.ts';
import { sortValues } from './sort-order.ts';
import type { SortKey } from './sort-order.ts';
import { bundleReply, outgoingHeaders, upstreamOf } from './upstream-call.ts';
import type { UpstreamAnswer, UpstreamClient } from './upstream-client.ts';
import { UpstreamError } from './upstream-error.ts';

/** One upstream's results, page by page, as a federated search draws them. */
export class FederatedStream {
  readonly upstream: UpstreamClient;
  readonly #exchange: Exchange;
  readonly #sort: readonly SortKey[];
  #path: string | undefined;
  #skip: number;
  #matches: readonly ReplyItem[] = [];
  #others: readonly ReplyItem[] = [];
  #next: string | undefined;
  #isLoaded = false;
  #othersGiven = false;
  /** Present once the upstream has failed; then it gives nothing more. */
  failure: FailedUpstream | undefined;
  /** An answer of status 400 or more, kept for the case that no upstream does better. */
  refusal: Reply | undefined;
  total: number | undefined;

  constructor(exchange: Exchange, position: CursorPosition, sort: readonly SortKey[]) {
    this.upstream = upstreamOf(exchange, position.upstream);
    this.#exchange = exchange;
    this.#sort = sort;
    this.#path = position.path;
    this.#skip = position.skip;
  }

  /** Reads on until there is a match to give, or nothing is left. Never rejects: a failure is kept. */
  async prepare(): Promise<void> {
    while (this.failure === undefined && this.#path !== undefined && this.head === undefined) {
      if (this.#isLoaded) this.#turnPage();
      else await this.#load(this.#path);
    }
  }

  get head(): ReplyItem | undefined {
    return this.failure === undefined ? this.#matches[this.#skip] : undefined;
  }

  headValues(): ReturnType<typeof sortValues> {
    const resource = this.head?.resource;
    return resource === undefined ? [] : sortValues(toValue(resource.node), this.#sort);
  }

  /** Gives the head, with what its page holds beside the matches when it is the first of that page. */
  take(): readonly ReplyItem[] {
    const head = this.head;
    if (head === undefined) return [];
    this.#skip += 1;
    if (this.#othersGiven) return [head];
    this.#othersGiven = true;
    return [head, ...this.#others];
  }

  /** Where the next page of the search goes on; undefined where nothing is left. */
  position(): CursorPosition | undefined {
    if (this.failure !== undefined || this.#path === undefined) return undefined;
    const { name } = this.upstream;
    if (!this.#isLoaded || this.head !== undefined) return { upstream: name, path: this.#path, skip: this.#skip };
    return this.#next === undefined ? undefined : { upstream: name, path: this.#next, skip: 0 };
  }

  #turnPage(): void {
    this.#path = this.#next;
    this.#skip = 0;
    this.#matches = [];
    this.#others = [];
    this.#isLoaded = false;
    this.#othersGiven = false;
  }

  async #load(path: string): Promise<void> {
    try {
      const reply = bundleReply(await this.#fetch(path), this.upstream, this.#exchange.route.interaction);
      if (reply.shape !== 'bundle') {
        this.refusal = reply;
        throw new UpstreamError('not-fhir', this.upstream.name);
      }
      this.#isLoaded = true;
      this.total ??= reply.total;
      this.#matches = reply.items.filter(({ searchMode }) => searchMode === undefined || searchMode === 'match');
      this.#others = reply.items.filter(({ searchMode }) => searchMode !== undefined && searchMode !== 'match');
      const next = reply.links.find(({ relation }) => relation === 'next');
      this.#next = next && pathBelow(next.url, this.upstream);
      if (next !== undefined && this.#next === undefined) throw new UpstreamError('not-fhir', this.upstream.name);
    } catch (error) {
      this.failure = { upstream: this.upstream.name, error };
    }
  }

  async #fetch(path: string): Promise<UpstreamAnswer> {
    const { route, request } = this.#exchange;
    const mark = path.indexOf('?');
    if (route.isPost && mark >= 0) {
      const answer = await this.upstream.request({
        method: 'POST',
        path: `${path.slice(0, mark)}${mark === 0 ? '' : '/'}_search`,
        headers: outgoingHeaders(request, { 'content-type': 'application/x-www-form-urlencoded' }),
        body: path.slice(mark + 1),
      });
      if (answer.status !== 404 && answer.status !== 405 && answer.status !== 415) return answer;
    }
    return this.upstream.request({ method: 'GET', path, headers: outgoingHeaders(request) });
  }
}
