import assert from "node:assert/strict";
import { test } from "node:test";
import { targetOf } from "../src/links.ts";

const REFUSED = [
  "javascript:alert(1)",
  "JavaScript:alert(1)",
  " javascript:alert(1)",
  "java\nscript:alert(1)",
  "\x01javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "file:///etc/passwd",
  "vbscript:x",
  "blob:https://a.b/c",
  "about:blank",
  "filesystem:https://a.b/",
  "ssh://a.b",
  "//a.b/c",
  "/relative",
  "",
  "https://",
  "https://a.b/\u202egpj.exe",
  "https://a.b/\x9d",
  "https://a.b/\n",
  `https://a.b/${"x".repeat(2000)}`,
];

for (const link of REFUSED)
  test(`${JSON.stringify(link.slice(0, 60))} leads nowhere`, () => assert.equal(targetOf(link), null));

test("the web and mailboxes may be opened", () => {
  assert.deepEqual(targetOf("https://a.b/c?d#e"), { url: "https://a.b/c?d#e", host: "a.b" });
  assert.deepEqual(targetOf("HTTP://A.B:8080/"), { url: "http://a.b:8080/", host: "a.b:8080" });
  assert.deepEqual(targetOf("mailto:me@a.b"), { url: "mailto:me@a.b", host: "me@a.b" });
});

test("whose a link is, is not what it looks like", () => {
  assert.equal(targetOf("https://bank.example@evil.example/")?.host, "evil.example");
  assert.equal(targetOf("https://bank.example\\@evil.example/")?.host, "bank.example");
  assert.equal(targetOf("https://раураl.example/")?.host, "xn--l-7sba6dbr.example");
  assert.equal(targetOf("https://bank。example/")?.host, "bank.example");
});
