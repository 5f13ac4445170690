/**
 * `POST /hooks/KEY`: a program says something in a group, as the hook's bot. 200 is the answer only when the message is stored.
 *
 * The key is all that is asked for. What comes as `application/json` is an object with `text`; everything else is the text itself, whatever `curl -d` calls it.
 */
import { hashCode } from "../auth/codes.ts";
import { HOOKS_PATH } from "../chat/hooks.ts";
import type { Sending } from "../chat/sending.ts";
import { type Answer, type HttpRequest, json, text } from "../net/exchange.ts";
import type { Limits } from "../ops/limits.ts";
import type { HookStore } from "../store/hooks.ts";
import { Errno, Refusal } from "../wire/errors.ts";
import { Msg } from "../wire/msgid.ts";
import type { Route } from "./routes.ts";

/** Most bytes of a body. */
const MAX_BODY = 64 * 1024;

/** What the route needs. */
export interface HooksParts {
  /** For keys. */
  store: Pick<HookStore, "findHook">;
  /** What stores messages. */
  sending: Sending;
  /** Who may ask how often. */
  limits: Limits;
  /** `--max-line` (bytes): as a string of JSON no text is longer. */
  maxLine: number;
}

/** The route. */
export function hookRoutes(parts: HooksParts): Route[] {
  return [{ method: "POST", path: `${HOOKS_PATH}/*`, answer: (request) => post(parts, request) }];
}

async function post({ store, sending, limits, maxLine }: HooksParts, request: HttpRequest): Promise<Answer | undefined> {
  const hash = hashCode(request.path.slice(HOOKS_PATH.length + 1));
  const hook = hash && await store.findHook(hash);
  if (!hook) return undefined;
  const { length, headers } = request;
  if (length === undefined) return text(411, "the length of the message must be told: Content-Length");
  if (length > MAX_BODY) return text(413, `a message may have ${MAX_BODY} bytes`);
  // Who owes is refused before the body is looked at.
  const owed = limits.request(hook.bot, 0);
  if (owed > 0) return tooMany(owed);
  const said = textOf(await bytesOf(request, length), headers["content-type"] ?? "");
  if (!said) return text(400, 'wanted: {"text": "…"} as application/json, or plain text, in UTF-8');
  if (new TextEncoder().encode(JSON.stringify(said)).length > maxLine) return text(413, `a message may have ${maxLine} bytes`);
  // It goes the way of GROUP_CHAT's `mid`.
  const { check } = await import("../wire/requests.ts");
  const mid = headers["idempotency-key"] as string | undefined;
  const message = check(Msg.GROUP_CHAT, { groupid: hook.groupid, msg: said, ...(mid === undefined ? {} : { mid }) });
  if (typeof message === "string") return text(400, message.replace(/^mid/, "Idempotency-Key").replace(/^msg/, "text"));
  const retry = limits.request(hook.bot, sending.cost(message));
  if (retry > 0) return tooMany(retry);
  try {
    const { messageid, ts } = await sending.hook({ ...hook, hash }, message);
    return json(200, { messageid, ts });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refused(error);
  }
}

/** What is said; undefined: nothing that can be read. */
function textOf(bytes: Uint8Array, type: string): string | undefined {
  try {
    const body = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!/^application\/json\s*(?:;|$)/i.test(type)) return body.trimEnd();
    const { text, username } = JSON.parse(body);
    if (typeof text !== "string" || (username !== undefined && typeof username !== "string")) return undefined;
    return text !== "" && username ? `${username}: ${text}` : text;
  } catch {
    return undefined;
  }
}

async function bytesOf(request: HttpRequest, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let end = 0;
  for await (const piece of request.body(() => Promise.resolve(bytes.subarray(end)))) end += piece.length;
  return bytes;
}

function refused({ errno, message, extra }: Refusal): Answer | undefined {
  // The hook, or its group, is gone meanwhile.
  if (errno === Errno.NO_GROUP) return text(404, "not found");
  if (errno === Errno.BAD_FIELD) return text(400, "this Idempotency-Key was sent with another text");
  if (errno === Errno.UNAVAILABLE) return text(503, message, { "retry-after": retryAfter(Number(extra?.retry ?? 1000)) });
  if (errno === Errno.FULL) return text(507, message);
  return text(400, message);
}

function tooMany(retry: number): Answer {
  return text(429, "too many messages", { "retry-after": retryAfter(retry) });
}

function retryAfter(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
