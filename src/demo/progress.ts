/** Shows how far something is: a bar on a terminal, a plain line for every tenth part elsewhere. */
export class Progress {
  readonly #title: string;
  readonly #total: number;
  readonly #out: NodeJS.WriteStream;
  #done = 0;
  #shownTenths = -1;

  constructor(title: string, total: number, out: NodeJS.WriteStream) {
    this.#title = title;
    this.#total = Math.max(1, total);
    this.#out = out;
    this.#show('');
  }

  /** @param note what was done last, without patient content */
  advance(steps: number, note: string): void {
    this.#done = Math.min(this.#total, this.#done + steps);
    this.#show(note);
  }

  end(): void {
    if (this.#out.isTTY) this.#out.write('\n');
  }

  #show(note: string): void {
    const share = this.#done / this.#total;
    const percent = `${Math.floor(share * 100)}`.padStart(3);
    if (this.#out.isTTY) {
      const filled = Math.round(share * 30);
      this.#out.write(`\r\u001b[K${this.#title}  ${'█'.repeat(filled)}${'░'.repeat(30 - filled)} ${percent}%  ${note}`);
      return;
    }
    const tenths = Math.floor(share * 10);
    if (tenths === this.#shownTenths) return;
    this.#shownTenths = tenths;
    this.#out.write(`${this.#title} ${percent}% ${note}\n`);
  }
}
