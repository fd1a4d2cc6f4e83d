import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlain, plain } from "../src/plain.ts";

test("nothing that acts is left, and the rest is", () => {
  const hostile = "a\x1b[2Jb\nc\td\x9b\x85e\u202ef\u2066g\u200fh\u2028i\u061cj\0k";
  assert.equal(plain(hostile), "a[2Jb c defgh ijk");
  assert.ok(isPlain(plain(hostile)));
  for (const character of hostile.replace(/[a-k[2J]/g, "")) assert.ok(!isPlain(`a${character}b`), JSON.stringify(character));
  assert.equal(plain("Jürgens 日本 👩‍👩‍👧 שלום"), "Jürgens 日本 👩‍👩‍👧 שלום");
});

test("it is bounded", () => {
  assert.equal(plain("x".repeat(10_000), 80), `${"x".repeat(79)}…`);
  assert.equal(plain("x".repeat(80), 80), "x".repeat(80));
});
