/** `natter export ID`: all that is kept of a user, as lines of JSON. */
import { exportOf } from "../store/export.ts";
import { command, find } from "./command.ts";
import { json, print } from "./output.ts";

/** Prints what `exportOf` tells. */
export function exportUser(args: string[]): Promise<number> {
  return command(args, ["ID"], async (store, [who]) => {
    for await (const record of exportOf(store, await find(store, who!))) if (record) print(json(record));
  });
}
