import assert from "node:assert/strict";
import { test } from "node:test";
import { Screen } from "../src/screen.ts";
import { newTerminal, rows, settled, type Terminal } from "./support.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const idle = (): void => {};

function made(): { terminal: Terminal; screen: Screen } {
  const terminal = newTerminal();
  return { terminal, screen: new Screen(terminal) };
}

test("a resize takes its place between the bytes", async () => {
  const { terminal, screen } = made();
  screen.resize(4, 10);
  screen.write(encode("\x1b[4;1Hlast\r\n"), idle);
  screen.resize(6, 20);
  const done = new Promise<void>((resolve) => screen.write(encode("\x1b[6;15Hcorner"), resolve));
  await done;
  assert.deepEqual([terminal.rows, terminal.cols], [6, 20]);
  assert.match(rows(terminal).at(-1) ?? "", /^ {14}corner$/);
});

test("a restored screen has nothing of the one before, whatever waited to be drawn", async () => {
  const { terminal, screen } = made();
  const flood = encode("old ".repeat(100_000));
  let drawn = 0;
  for (let count = 0; count < 5; count += 1) screen.write(flood, () => (drawn += 1));
  screen.write(encode("\x1b[?1049h\x1b[31m"), idle);
  assert.equal(screen.isRestoring, false);
  const done = new Promise<void>((resolve) => screen.restore(10, 40, encode("new"), resolve));
  await done;
  assert.deepEqual(rows(terminal), ["new"]);
  assert.deepEqual([terminal.rows, terminal.cols], [10, 40]);
  assert.equal(terminal.buffer.active.type, "normal");
  assert.ok(drawn < 5, "what waited was drawn although a snapshot stands in its place");
  assert.equal(screen.isRestoring, false);
});

test("what a snapshot makes the terminal answer is known to be none of the user's", async () => {
  const { terminal, screen } = made();
  const answers: boolean[] = [];
  terminal.onData(() => answers.push(screen.isRestoring));
  await new Promise<void>((resolve) => screen.restore(24, 80, encode("\x1b[c"), resolve));
  await new Promise<void>((resolve) => screen.write(encode("\x1b[6n"), resolve));
  assert.deepEqual(answers, [true, false]);
});

test("an empty snapshot is a reset", async () => {
  const { terminal, screen } = made();
  screen.write(encode("something"), idle);
  await new Promise<void>((resolve) => screen.restore(24, 80, new Uint8Array(), resolve));
  await settled(terminal);
  assert.deepEqual(rows(terminal), []);
});

test("characters may be cut anywhere between two writes", async () => {
  const text = "a—b😀é…│c";
  const bytes = encode(text);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const { terminal, screen } = made();
    screen.write(bytes.subarray(0, cut), idle);
    await settled(terminal);
    await new Promise<void>((resolve) => screen.write(bytes.subarray(cut), resolve));
    assert.deepEqual(rows(terminal), [text], `cut at ${cut}`);
  }
});

test("each byte by itself, and bytes that are no UTF-8, which are drawn as soon as that is known", async () => {
  const { terminal, screen } = made();
  for (const byte of encode("—😀")) screen.write(Uint8Array.of(byte), idle);
  screen.write(Uint8Array.of(0xe2, 0x80), idle);
  await new Promise<void>((resolve) => screen.write(encode("end"), resolve));
  assert.match(rows(terminal)[0] ?? "", /^—😀.*end$/);
});

test("a snapshot drops the character that was begun before it", async () => {
  const { terminal, screen } = made();
  screen.write(Uint8Array.of(0xe2), idle);
  await new Promise<void>((resolve) => screen.restore(24, 80, encode("new"), resolve));
  assert.deepEqual(rows(terminal), ["new"]);
});
