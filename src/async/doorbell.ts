/**
 * Has the sockets looked at. A runtime that always has something to do hardly does that by itself: tokio asks the kernel in every 61st turn of the event loop. With 4 ms of
 * work in each, everybody who had just sent something waited for a quarter of a second, though no turn was long.
 */

/** Within what time the process connects to itself (ms). */
const OPEN_MS = 3000;
const BYTE = new Uint8Array(1);
const open: Doorbell[] = [];

/** A connection of the process with itself: what was put in at one end comes out at the other when the sockets were looked at, and not before. 7 us. */
export class Doorbell implements Disposable {
  /** More than ever comes: what fills it might be followed by more, and would be read without a look. */
  readonly #buffer = new Uint8Array(16);

  private constructor(private readonly button: Deno.TcpConn, private readonly bell: Deno.TcpConn) {}

  /**
   * One for {@linkcode lookAtSockets}, as long as it is open. Throws what `Deno.listen`, `Deno.connect` and `accept` throw.
   *
   * @param ms how long that may take: a machine may swallow what it is sent by itself
   */
  static async open(ms: number = OPEN_MS): Promise<Doorbell> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`not within ${ms} ms`)), ms);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let button: Deno.TcpConn | undefined;
    let listening = true;
    const close = () => {
      if (listening) listener.close();
      listening = false;
    };
    late.signal.addEventListener("abort", close);
    try {
      button = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port, signal: late.signal });
      button.setNoDelay(true);
      let bell = await listener.accept();
      // Anybody on this machine may have come first.
      while (bell.remoteAddr.port !== button.localAddr.port) {
        bell.close();
        bell = await listener.accept();
      }
      const doorbell = new Doorbell(button, bell);
      open.push(doorbell);
      return doorbell;
    } catch (error) {
      button?.close();
      throw late.signal.aborted ? late.signal.reason : error;
    } finally {
      clearTimeout(timer);
      close();
    }
  }

  /** Resolves when the sockets were looked at. Rejects when it is closed meanwhile. */
  async ring(): Promise<void> {
    await this.button.write(BYTE);
    await this.bell.read(this.#buffer);
  }

  /** It is not used any more. */
  [Symbol.dispose](): void {
    open.splice(open.indexOf(this), 1);
    this.button.close();
    this.bell.close();
  }
}

/** Resolves in a later turn: when the sockets were looked at, if there is a doorbell. Never rejects. */
export async function lookAtSockets(): Promise<void> {
  try {
    await open[0]?.ring();
  } catch {
    // It was taken off meanwhile.
  }
  // Those who wait for the end of a turn have theirs, too.
  await new Promise<void>((resolve) => setImmediate(resolve));
}
