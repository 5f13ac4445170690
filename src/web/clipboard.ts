/** What the user takes away from the page. */

/** Rejects where the browser will not, and where the page did not come over HTTPS: there is no clipboard for it. */
export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
