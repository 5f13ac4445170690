/** Who asks: the one way of authorising over HTTP, by a device's token. */
import { hashToken } from "../auth/tokens.ts";
import { type Answer, type HttpRequest, text } from "../net/exchange.ts";
import type { TrustedTime } from "../ops/trusted_time.ts";
import type { Store, TokenOwner } from "../store/store.ts";

/** Whose token stands in `Authorization: Bearer TOKEN`; undefined: nobody's who may come in. */
export async function bearer({ headers }: HttpRequest, store: Pick<Store, "findUserByToken">, time: TrustedTime): Promise<TokenOwner | undefined> {
  const hash = hashToken(/^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1] ?? "");
  const owner = hash && await store.findUserByToken(hash, time.now());
  return owner?.account.closed ? undefined : owner;
}

/** The answer to those whose token is not good. */
export function unauthorized(): Answer {
  return text(401, "the token is missing, unknown or has expired", { "www-authenticate": "Bearer" });
}
