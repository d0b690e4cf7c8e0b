import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';

const KEEP_ALIVE_DELAY_MS = 60_000;

/** The connections of one client of a broker, so that none of them outlives it: the client itself waits for answers of brokers that hang. */
export class KafkaSockets {
  readonly #open = new Set<Socket>();
  #ended = false;

  /** Opens a connection; given to the client as its way to do so. */
  readonly open = (to: {
    readonly host: string;
    readonly port: number;
    readonly ssl: ConnectionOptions | null | undefined;
    readonly onConnect: () => void;
  }): Socket => {
    const { host, port, ssl, onConnect } = to;
    const named = isIP(host) === 0 ? { servername: host } : {};
    const socket =
      ssl == null ? connectPlain({ host, port }, onConnect) : connectTls({ host, port, ...named, ...ssl }, onConnect);
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#ended) destroy(socket);
    return socket;
  };

  /** Ends all that is open, and at once whatever the client still opens. */
  end(): void {
    this.#ended = true;
    for (const socket of this.#open) destroy(socket);
  }
}

/** With an error: without one the client does not notice, and waits for its requests to time out. */
function destroy(socket: Socket): void {
  socket.destroy(new Error('the topic is closed'));
}
