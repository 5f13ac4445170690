/** What one does with one's account: `/devices`, `/signout`, `/invitation`, `/password`, `/about`, `/receipts`, `/unregister`. */
import type { Device, NatterClient } from "../natter_client.ts";
import { patiently } from "../patiently.ts";
import { CommandError } from "./commands.ts";
import { isoTime } from "./text.ts";
import type { View } from "./view.ts";

/** Asks for a password; undefined: given up. */
export type AskPassword = (question: string) => Promise<string | undefined>;

/** Does one of these, and shows what came of it. */
export async function toAccount(
  client: NatterClient,
  view: View,
  askPassword: AskPassword,
  name: "devices" | "signout" | "invitation" | "password" | "about" | "receipts" | "unregister",
  rest: string,
): Promise<void> {
  switch (name) {
    case "devices": {
      const devices = await patiently(() => client.devices());
      return view.table(devices.map(deviceRow));
    }
    case "signout": {
      if (!/^\d{1,15}$/.test(rest)) throw new CommandError("wanted: /signout N, as /devices numbers them");
      if (Number(rest) === client.session?.device.id) throw new CommandError("that is this one: /logout ends it");
      await patiently(() => client.removeDevice(Number(rest)));
      return view.note(`device ${rest} is signed out`);
    }
    case "invitation": {
      if (rest !== "" && !/^\d{1,4}$/.test(rest)) throw new CommandError("wanted: /invitation N");
      return view.table([[await patiently(() => client.invite(rest === "" ? {} : { uses: Number(rest) }))]]);
    }
    case "password":
      return await changePassword(client, view, askPassword);
    case "about": {
      const { about } = await patiently(() => client.profile(rest === "" ? {} : { about: rest }));
      return about === "" ? view.note("you say nothing of yourself; /about TEXT does") : view.table([[about]]);
    }
    case "receipts": {
      if (rest !== "on" && rest !== "off") throw new CommandError("wanted: /receipts on, or /receipts off");
      await patiently(() => client.profile({ receipts: rest === "on" }));
      return view.note(`others ${rest === "on" ? "" : "do not "}see how far you have read`);
    }
    case "unregister": {
      const password = await askPassword("Password, to delete this account for good: ");
      if (password === undefined || password === "") throw new CommandError("given up");
      await patiently(() => client.deleteAccount(password));
      return view.note("your account is deleted");
    }
  }
}

async function changePassword(client: NatterClient, view: View, askPassword: AskPassword): Promise<void> {
  const old = await askPassword("Present password: ");
  const wanted = old === undefined ? undefined : await askPassword("New password: ");
  const again = wanted === undefined ? undefined : await askPassword("Once more: ");
  if (old === undefined || wanted === undefined || again === undefined) return view.note("the password stays as it is");
  if (wanted !== again) throw new CommandError("the two are not the same; the password stays as it is");
  await patiently(() => client.changePassword(old, wanted), { once: true });
  view.note("the password is changed");
}

function deviceRow({ id, name, state, since, lastseen, address = "", this: own }: Device): string[] {
  const when = state === "online" ? since : lastseen;
  const what = name === "" ? "(programs without a name)" : name;
  return ["device", String(id), what, state, when === null ? "-" : isoTime(when), address, ...(own ? ["this one"] : [])];
}
