// What is found by what: the tokenizer alone, as a database would use it. `search_store_test.ts` asks the databases the same.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Query, tokensOf } from "../src/search/tokenizer.ts";
import { SEARCHES } from "./support/search_table.ts";

const finds = (query: string, text: string) => new Query(query).finds(text);

for (const [about, cases] of Object.entries(SEARCHES)) {
  Deno.test(`search: ${about}`, () => {
    for (const [query, found, not] of cases) {
      for (const text of found) {
        assert(finds(query, text), `${query} must find ${text}: ${new Query(query).tokens} ${new Query(query).beginning}; ${tokensOf(text)}`);
      }
      for (const text of not) assert(!finds(query, text), `${query} must not find ${text}`);
    }
  });
}

Deno.test("search: tokens are what no database's own rules touch", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    const tokens = tokensOf(text);
    assertEquals(new Set(tokens).size, tokens.length);
    for (const token of tokens) assert(/^t_[a-z0-9_]{1,78}$/.test(token), token);
  }));
});

Deno.test("search: every word of a text finds it, and what is found can be marked", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 8 }), (words) => {
    const text = words.join(" ");
    for (const word of words) {
      const query = new Query(word);
      if (query.empty) continue;
      assert(finds(word, text), JSON.stringify([word, text]));
      assert(query.marks(text).length > 0, JSON.stringify([word, text]));
    }
  }));
});

Deno.test("search: accents that stand on nothing are no words, and find nothing", () => {
  for (const text of ["\u0591", "\u0301", " \u0e34 ", "\u3099", "\u0f71\u0f72"]) {
    for (const token of tokensOf(text)) assert(token.length > 2, JSON.stringify([text, token]));
    const query = new Query(text);
    assert(query.empty || (query.beginning ?? query.tokens[0]!).length > 2, JSON.stringify(text));
    assert(!query.finds("any words at all"));
  }
  assertEquals(tokensOf("a-\u0301 b"), tokensOf("a- b"));
});

Deno.test("search: marks and excerpts", () => {
  const marked = (query: string, text: string) => new Query(query).marks(text).map(([start, end]) => text.slice(start, end));
  assertEquals(marked("fox", "the Fox, foxes, firefox"), ["Fox", "foxes"]);
  assertEquals(marked("résumé", "my RESUME"), ["RESUME"]);
  assertEquals(marked("会议", "下午三点开会议"), ["会议"]);
  assertEquals(marked("v1.2", "now v1.2.3"), ["v1.2"]);
  assertEquals(marked("c++", "I write C++, mostly"), ["C++,"]);
  const text = "lorem ipsum ".repeat(100) + "needle" + " dolor sit".repeat(100);
  const excerpt = new Query("needle").excerpt(text);
  assert(excerpt.includes("needle") && excerpt.startsWith("…") && excerpt.endsWith("…"), excerpt);
  assertEquals([...excerpt].length, 300);
  assertEquals(new Query("x").excerpt("short"), "short");
  assertEquals([...new Query("end").excerpt("🎉".repeat(400) + " end")].length, 300);
  assert(new Query("end").excerpt("🎉".repeat(400) + " end").endsWith(" end"));
  assert(new Query("🎉").excerpt("🎉".repeat(400)).startsWith("🎉"));
});
