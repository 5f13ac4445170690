/** Watches over the certificate's time: the log says it when it is about to end, once a day, so that nobody learns it from the clients. */
import { DAY_MS } from "../async/pause.ts";
import { log } from "../ops/log.ts";
import type { Certificate } from "./certificate.ts";

/** From so many days before its end on it is said. */
const SOON_DAYS = 14;

/** Looks when it is told of a certificate, and then every day. */
export class CertificateWatch {
  #certificate: Certificate;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Looks at this one. @param now the time; tests have their own */
  constructor(certificate: Certificate, now: () => number = Date.now) {
    this.#certificate = certificate;
    this.#now = now;
    this.#timer = setInterval(() => this.look(), DAY_MS);
    Deno.unrefTimer(this.#timer);
    this.look();
  }

  /** When it ends (ms since the epoch). */
  get ends(): number {
    return this.#certificate.ends;
  }

  /** Another one is used from now on. */
  renewed(certificate: Certificate): void {
    this.#certificate = certificate;
    this.look();
  }

  /** Says what there is to say. */
  look(): void {
    const { begins, ends } = this.#certificate;
    const now = this.#now(), until = new Date(ends).toISOString();
    if (now >= ends) log.error("the certificate has ended: clients refuse it", { until });
    else if (now < begins) log.warning("the certificate is not valid yet: clients refuse it", { from: new Date(begins).toISOString() });
    else if (now > ends - SOON_DAYS * DAY_MS) log.warning("the certificate ends soon", { days: Math.floor((ends - now) / DAY_MS), until });
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
