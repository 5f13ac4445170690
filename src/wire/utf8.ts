/** UTF-8, strictly. */

// ignoreBOM keeps U+FEFF, which would be lost at the beginning of every chunk.
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Three to ten times faster (docs/performance.md); writes U+FFFD for what is not UTF-8. */
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text that these bytes are; undefined if they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const text = lenient.decode(bytes);
  if (!text.includes("\ufffd")) return text;
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}
