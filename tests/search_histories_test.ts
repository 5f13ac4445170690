// Whatever is said, edited and deleted while the index is written behind it: at the end it finds each word in just those messages that say it now.

import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { Query } from "../src/search/tokenizer.ts";
import type { Conversation, Search } from "../src/store/store.ts";
import { addUsers, waitingDatabaseTest } from "./support/databases.ts";
import { indexed } from "./support/stores.ts";

const WORDS = ["apple", "brook", "cloud", "door", "echo"];
/** Histories, in so many parts at once. */
const RUNS = { sqlite: 15, mysql: 3 }, PARTS = [1, 2, 3];

interface Step {
  do: "say" | "edit" | "delete" | "index" | "prune";
  who: number;
  which: number;
  words: string[];
}

const step: fc.Arbitrary<Step> = fc.record({
  do: fc.oneof({ weight: 6, arbitrary: fc.constant("say" as const) }, {
    weight: 6,
    arbitrary: fc.constantFrom("edit" as const, "delete" as const, "index" as const, "index" as const),
  }, { weight: 1, arbitrary: fc.constant("prune" as const) }),
  who: fc.nat({ max: 2 }),
  which: fc.nat({ max: 99 }),
  words: fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 3 }),
});
/** What is in one of the inner arrays is done at the same time. */
const histories = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 10, maxLength: 25 });

interface Said {
  messageid: number;
  sender: number;
  of: Conversation;
  text: string;
  gone: boolean;
}

waitingDatabaseTest("search: after random histories the index finds what is said, and nothing else", async (t) => {
  const store = await t.open();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      run++;
      const users = await addUsers(store, `ada${run}`, `bob${run}`, `cy${run}`);
      const { groupid } = await store.createGroup(users[0]!, `g${run}`, `g${run}`, "") as { groupid: number };
      for (const user of users.slice(1)) await store.joinGroup(user, { id: groupid }, 1);
      const all: Said[] = [];
      const began = run * 1000;
      let at = 0;
      const perform = async ({ do: what, who, which, words }: Step): Promise<void> => {
        const sender = users[who]!, text = words.join(" ");
        if (what === "say") {
          const of: Conversation = which % 3 === 0 ? { groupid } : { toid: users[which % 3 === 1 ? (who + 1) % 3 : who]! };
          const [stored] = await store.append([{ sender, ...of, msg: text, ts: began + ++at }]);
          assert(stored!.errno === "OK");
          all.push({ messageid: stored!.messageid, sender, of, text, gone: false });
        } else if (what === "index") await store.index();
        else if (what === "prune") {
          // The first ones, if they wait for nobody.
          await t.query("delete from inbox");
          const before = began + Math.floor(at / 4);
          await store.prune(before, undefined, 100);
          const left = new Set((await t.query("select id from message")).map(({ id }) => Number(id)));
          for (const said of all) if (!left.has(said.messageid)) said.gone = true;
        } else {
          const target = all[which % Math.max(1, all.length)];
          if (!target || target.gone) return;
          const deed = { by: target.sender, messageid: target.messageid, at: 5000 + ++at };
          const acted = await store.act(what === "edit" ? { what, ...deed, msg: text } : { what, ...deed });
          if (acted.errno !== "OK") return;
          if (what === "edit") target.text = text;
          else target.gone = true;
        }
      };
      for (const steps of history) {
        // Of what is done to one message at once nobody knows which was last.
        const touched = new Set<number>();
        const once = steps.filter(({ do: what, which }) => {
          if (what !== "edit" && what !== "delete") return true;
          const target = which % Math.max(1, all.length);
          return !touched.has(target) && touched.add(target);
        });
        const apart = once.filter(({ do: what }) => what === "prune");
        await Promise.all(once.filter(({ do: what }) => what !== "prune").map(perform));
        for (const each of apart) await perform(each);
      }
      await indexed(store);
      const find = async (userId: number, word: string, of?: Search["of"]) =>
        (await store.search({ userId, of, query: new Query(`${word} `), from: undefined, before: undefined }, 500)).map(({ messageid }) => messageid)
          .sort((a, b) => a - b);
      for (const user of users) {
        const places: [Search["of"], (said: Said) => boolean][] = [
          [{ groupid }, ({ of }) => of.groupid !== undefined],
          ...users.map((peer): [Search["of"], (said: Said) => boolean] => [
            { peer },
            ({ of, sender }) => of.toid !== undefined && (of.toid === peer && sender === user || of.toid === user && sender === peer),
          ]),
          [undefined, ({ of, sender }) => of.toid === undefined || of.toid === user || sender === user],
        ];
        for (const word of WORDS) {
          for (const [of, within] of places) {
            const expected = all.filter((said) => !said.gone && within(said) && said.text.split(" ").includes(word)).map(({ messageid }) =>
              messageid
            );
            assertEquals(await find(user, word, of), expected.sort((a, b) => a - b), `${word} ${JSON.stringify(of)}`);
          }
        }
      }
      // What a search looks at again is not what the index has: nothing stays in it of what is not said any more.
      const texts = (await t.query("select msg from message where kind = 0 and deleted = 0")).map(({ msg }) => String(msg).split(" "));
      for (const word of WORDS) {
        const counting = t.kind === "sqlite"
          ? `select count(*) as n from search where search match 't_${word}'`
          : `select count(*) as n from word where token = 't_${word}'`;
        assertEquals(Number((await t.query(counting))[0]!.n), texts.filter((words) => words.includes(word)).length, word);
      }
      if (t.kind === "sqlite") await t.query("insert into search (search) values ('integrity-check')");
    }),
    { numRuns: RUNS[t.kind] / PARTS.length, endOnFailure: true },
  );
  await store.close();
}, PARTS);
