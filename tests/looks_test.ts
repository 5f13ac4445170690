// Names that could be taken for one another.

import { assertEquals, assertNotEquals } from "@std/assert";
import { lookOf, mixesScripts } from "../src/wire/looks.ts";

Deno.test("names that look the same have the same look", async () => {
  const alike = [
    ["alice", "Alice", "аlice", "ALICE", "ａｌｉｃｅ", "𝒶𝓁𝒾𝒸ℯ"],
    ["scope", "ѕсоре"],
    ["O'Neil", "O’Neil", "o＇neil"],
    ["bill", "bil|"],
    ["café", "cafe\u0301"],
    ["deleted", "dеlеtеd"],
  ];
  for (const [name, ...others] of alike) {
    for (const other of others) assertEquals(await lookOf(other), await lookOf(name!), `${other} and ${name}`);
  }
});

Deno.test("names that do not look the same, or are of ASCII letters and digits alone, have different looks", async () => {
  const different = [
    "modern",
    "rnodern",
    "bill",
    "bi11",
    "b1ll",
    "cafe",
    "café",
    "one",
    "0ne",
    "张三",
    "张王",
    "日本",
    "Иван",
    "Иванна",
    "😀",
    "😁",
    "دي",
    "دی x",
  ];
  const looks = await Promise.all(different.map(lookOf));
  for (const [i, look] of looks.entries()) {
    for (const [j, other] of looks.entries()) if (i !== j) assertNotEquals(look, other, `${different[i]} and ${different[j]}`);
  }
});

Deno.test("a look is never longer than the column that keeps it", async () => {
  for (const character of ["ﷺ", "㍿", "ﷻ", "👨‍👩‍👧‍👦", "㌖"]) {
    const look = await lookOf(character.repeat(50));
    assertEquals(new TextEncoder().encode(look).length <= 2000, true, character);
  }
});

Deno.test("scripts that go together, and those that do not", () => {
  const together = [
    ...["alice", "Ünïcödé 2", "Иван", "Иван 2", "Ελλάδα", "שלום", "مرحبا", "عربی\u200cها", "दिल्ली क्\u200dष", "한국 Korea", "韓國 한국 Korea"],
    ...["日本語 テスト ひらがな abc", "汉字 ㄅㄆ abc", "ー", "々", "😀", "👨‍👩‍👧 family", "🇨🇳 中国", "1️⃣", "Москва ③", "x\u0301", "ᏣᎳᎩ", "°C", "a_b-c.d"],
  ];
  for (const name of together) assertEquals(mixesScripts(name), false, name);
  const mixed = ["аlice", "Иван Ivan", "αlpha", "Ωmega", "ひらがな 한글", "ㄅ한", "ㄅひ", "Ꭺlice", "שalom", "मa", "ไทยa", "ｉмя"];
  for (const name of mixed) assertEquals(mixesScripts(name), true, name);
});
