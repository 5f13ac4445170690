/** Names of files: what people called them, made harmless. */

/** Most characters of a name. */
const LONGEST_NAME = 200;
/** Most characters of what stands behind the last dot, where a name is cut before it. */
const ENDING = 16;
/** What no name has: control characters, line breaks, and what is not seen but for joiners, which emoji and some scripts need. */
const NOT_IN_NAMES = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The name, without folders, without what is not seen, and not too long; `file` if nothing is left. */
export function cleanName(given: string): string {
  const name = given.toWellFormed().replace(NOT_IN_NAMES, "").replace(/^.*[/\\]/s, "").replace(/^[\s.]+|[\s.]+$/g, "");
  const characters = [...name];
  if (characters.length <= LONGEST_NAME) return name === "" ? "file" : name;
  const ending = [...(/\.[^.\s]+$/.exec(name)?.[0] ?? "")];
  const kept = ending.length <= ENDING ? ending : [];
  const cut = [...characters.slice(0, LONGEST_NAME - kept.length), ...kept].join("");
  return cut.replace(/[\s.]+$/, "");
}

/** A name as HTTP tells it: for those that read the standard, and a plain one for the others. */
export function dispositionOf(way: "inline" | "attachment", name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._ -]/g, "_");
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
  return `${way}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
