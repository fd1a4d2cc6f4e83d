import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, isDark } from "../src/theme.ts";

test("colours of a page", () => {
  assert.equal(hex("rgb(255, 0, 16)"), "#ff0010");
  assert.equal(hex("rgba(17, 17, 17, 0.9)"), "#111111");
  assert.equal(hex("rgba(0, 0, 0, 0)"), null);
  assert.equal(hex("transparent"), null);
});

test("dark and light", () => {
  assert.deepEqual(["#111111", "#1e1e1e", "#ffffff", "#f7f7f7"].map(isDark), [true, true, false, false]);
});
