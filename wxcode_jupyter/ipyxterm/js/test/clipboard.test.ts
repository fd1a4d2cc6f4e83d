import assert from "node:assert/strict";
import { test } from "node:test";
import { guardClipboard } from "../src/clipboard.ts";
import { newTerminal, settled } from "./support.ts";

const HELLO = Buffer.from("hello").toString("base64");
const WRITES = [`\x1b]52;c;${HELLO}\x07`, `\x1b]52;c;${HELLO}\x1b\\`, `\x1b]52;c;${HELLO};x\x07`];
const READS = ["\x1b]52;c;?\x07", "\x1b]52;p;?\x07", "\x1b]52;;?\x07", "\x1b]52;c;?;x\x07", "\x1b]52;c;?\x1b\\"];

async function after(isOpen: boolean, isPast: boolean, ...printed: string[]) {
  const terminal = newTerminal();
  const happened = { copied: [] as string[], refused: 0, answers: [] as string[] };
  terminal.onData((text) => happened.answers.push(text));
  guardClipboard(terminal.parser, {
    isOpen,
    isPast: () => isPast,
    copy: (text) => happened.copied.push(text),
    refuse: () => (happened.refused += 1),
  });
  for (const part of printed) terminal.write(part);
  await settled(terminal);
  return happened;
}

test("programs may not copy where nobody allows it, and it is said", async () => {
  assert.deepEqual(await after(false, false, ...WRITES), { copied: [], refused: 3, answers: [] });
});

test("they may where it is allowed", async () => {
  assert.deepEqual((await after(true, false, WRITES[0] ?? "", WRITES[1] ?? "")).copied, ["hello", "hello"]);
  assert.deepEqual((await after(true, false, `\x1b]52;p;${HELLO}\x07`)).copied, []);
  const texts = ["日本", "two\nlines", ""].map((text) => `\x1b]52;c;${Buffer.from(text).toString("base64")}\x07`);
  const others = ["\x1b]52;c;no Base64!\x07", "\x1b]52;c;/w==\x07"];
  assert.deepEqual((await after(true, false, ...texts, ...others)).copied, ["日本", "two\nlines"]);
});

test("what was printed long ago copies nothing once more", async () => {
  assert.deepEqual(await after(true, true, ...WRITES), { copied: [], refused: 0, answers: [] });
  assert.deepEqual(await after(false, true, ...WRITES), { copied: [], refused: 0, answers: [] });
});

for (const isOpen of [false, true])
  test(`nobody may read, ${isOpen ? "even" : "least of all"} where copying is ${isOpen ? "" : "not "}allowed`, async () => {
    assert.deepEqual(await after(isOpen, false, ...READS), { copied: [], refused: 0, answers: [] });
  });
