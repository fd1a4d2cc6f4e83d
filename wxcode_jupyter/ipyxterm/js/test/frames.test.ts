import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as frames from "../src/frames.ts";

const hex = (frame: Uint8Array) => Buffer.from(frame).toString("hex");
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

test("what is sent", () => {
  assert.equal(hex(frames.resize(24, 80)), "1200180050");
  assert.equal(hex(frames.ack(0x0102030405)), "140000000102030405");
  assert.equal(hex(frames.ping()), "18");
  assert.deepEqual(frames.input(new TextEncoder().encode("ü")).map(hex), ["11c3bc"]);
  const body = { stream: "s", offset: 7, rows: 24, cols: 80, window: 65536 };
  const attach = frames.attach(body);
  assert.equal(attach[0], 0x10);
  assert.deepEqual(JSON.parse(Buffer.from(attach.subarray(1)).toString()), body);
});

test("megabytes of a paste go out whole and in order", () => {
  const pasted = Uint8Array.from({ length: 3 * frames.INPUT_LIMIT + 5 }, (_, place) => place % 251);
  const sent = frames.input(pasted);
  assert.deepEqual(sent.map((frame) => frame.length - 1), [...Array(3).fill(frames.INPUT_LIMIT), 5]);
  assert.deepEqual(Buffer.concat(sent.map((frame) => frame.subarray(1))), Buffer.from(pasted));
});

test("what comes", () => {
  assert.deepEqual(frames.decode(bytes("01000000000000000a6869")), { type: "output", offset: 10, chunk: bytes("6869") });
  assert.deepEqual(frames.decode(bytes("02000000000000000a001800506869")), {
    type: "snapshot",
    offset: 10,
    rows: 24,
    cols: 80,
    chunk: bytes("6869"),
  });
  assert.deepEqual(frames.decode(bytes("0300000001000000000001" + "01f4")), {
    type: "size",
    offset: 2 ** 32,
    rows: 1,
    cols: 500,
  });
  const json = (type: number, body: object) => Uint8Array.from([type, ...Buffer.from(JSON.stringify(body))]);
  assert.deepEqual(frames.decode(json(0x04, { state: "idle", later: 1 })), {
    type: "state",
    state: { state: "idle", later: 1 },
  });
  assert.deepEqual(frames.decode(json(0x05, { role: "observer" })), { type: "role", role: "observer" });
  assert.deepEqual(frames.decode(json(0x06, { code: "c", message: "m" })), { type: "error", code: "c", message: "m" });
  assert.deepEqual(frames.decode(json(0x07, { exit_code: -15 })), { type: "closed", exitCode: -15 });
  assert.deepEqual(frames.decode(json(0x07, { exit_code: null })), { type: "closed", exitCode: null });
  assert.deepEqual(frames.decode(bytes("08aa")), { type: "pong" });
});

test("a type that is not known is ignored, a body that does not fit is an error", () => {
  assert.equal(frames.decode(bytes("7f00")), null);
  assert.equal(frames.decode(new Uint8Array()), null);
  assert.throws(() => frames.decode(bytes("0100")), RangeError);
  assert.throws(() => frames.decode(bytes("047b")), SyntaxError);
});

test("a frame may stand in a larger buffer", () => {
  const buffer = bytes("ffff01000000000000000a6869ff").subarray(2, 13);
  assert.deepEqual(frames.decode(buffer), { type: "output", offset: 10, chunk: bytes("6869") });
});

test("the loader is small: every notebook that papermill writes has it", () => {
  assert.ok(readFileSync("../loader.js").length < 1024);
});
