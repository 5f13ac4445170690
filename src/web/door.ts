/** Who may make an account here, and the invitation that the page was opened with (`#invite=CODE`). */

/** Whoever has a link is invited: the code goes from the address at once, so that it is neither shown nor passed on with it. */
export const invitation = takeInvitation();

function takeInvitation(): string {
  const [, code = ""] = /^#invite=([A-Za-z0-9_-]+)$/.exec(location.hash) ?? [];
  if (code) history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

/** The code of a group's link, if the page's address is one; then it goes from there. */
export function takeGroupCode(): string | undefined {
  const [, code] = /^#join=([A-Za-z0-9_-]+)$/.exec(location.hash) ?? [];
  if (code) history.replaceState(history.state, "", location.pathname + location.search);
  return code;
}

/** The address that lets others into a group by this code. */
export function groupLink(code: string): string {
  return `${location.origin}${location.pathname}#join=${code}`;
}

/** The code of a group's link that somebody typed or pasted. */
export function codeOf(text: string): string | undefined {
  return /#join=([A-Za-z0-9_-]+)\s*$/.exec(text)?.[1];
}

/** Asks the server; one that does not say lets everybody in. */
export async function registration(): Promise<"open" | "invite" | "closed"> {
  try {
    const response = await fetch("about");
    return (await response.json()).registration ?? "open";
  } catch {
    return "open";
  }
}

/** The address that lets others in by this code. */
export function inviteLink(code: string): string {
  return `${location.origin}${location.pathname}#invite=${code}`;
}
