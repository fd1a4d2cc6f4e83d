import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client.ts";
import { Screen } from "../src/screen.ts";
import { HandClock, HandWay, newTerminal, rows, settled, Shown } from "./support.ts";

function made(...more: HandWay[]) {
  const terminal = newTerminal();
  const [clock, way, shown] = [new HandClock(), new HandWay(), new Shown()];
  const client = new Client(new Screen(terminal), [way, ...more], shown, clock, () => 1);
  client.resize({ rows: 24, cols: 80 });
  client.connect();
  return { terminal, clock, way, shown, client };
}

const attachOf = (way: HandWay) => JSON.parse(Buffer.from(way.end.take(0x10)[0] ?? []).toString());
const acks = (way: HandWay) => way.end.take(0x14).map((body) => Number(Buffer.from(body).readBigUInt64BE()));
const key = (text: string) => new TextEncoder().encode(text);

test("it attaches with nothing, draws, and acknowledges what has been drawn", async () => {
  const { terminal, clock, way, shown } = made();
  way.end.attach();
  assert.deepEqual(attachOf(way), { stream: null, offset: null, rows: 24, cols: 80, window: way.window });
  assert.deepEqual(shown.phases.map(({ name }) => name), ["connecting", "attached"]);
  way.end.snapshot(100, 24, 80, "hello");
  way.end.output(100, " world");
  assert.deepEqual(acks(way), []);
  await settled(terminal);
  assert.deepEqual(rows(terminal), ["hello world"]);
  clock.pass(100);
  assert.deepEqual(acks(way), [106]);
});

test("a flood is acknowledged as it is drawn, several times a window", async () => {
  const { terminal, way } = made();
  way.end.attach();
  way.end.snapshot(0, 24, 80, "");
  const chunk = "x".repeat(4096);
  for (let at = 0; at < way.window; at += chunk.length) way.end.output(at, chunk);
  await settled(terminal);
  const told = acks(way);
  assert.ok(told.length >= 4 && told.length <= 9, String(told));
  assert.ok((told.at(-1) ?? 0) >= (way.window * 7) / 8);
});

test("after a loss it comes back by itself, and only what is missing is drawn", async () => {
  const { terminal, clock, way, shown } = made();
  way.end.attach();
  way.end.snapshot(0, 24, 80, "");
  way.end.output(0, "one ");
  way.end.listener.closed(1006, "");
  assert.deepEqual(shown.latest, { name: "waiting", delay: 500, reason: "" });
  clock.pass(500);
  assert.equal(way.ends.length, 2);
  way.end.open();
  const { stream, offset } = attachOf(way);
  assert.deepEqual([stream, offset], ["s1", 4]);
  way.end.attach();
  way.end.output(2, "e two");
  await settled(terminal);
  assert.deepEqual(rows(terminal), ["one two"]);
});

test("a program that was started again is drawn anew", async () => {
  const { terminal, clock, way } = made();
  way.end.attach();
  way.end.snapshot(0, 24, 80, "the first");
  way.end.listener.closed(1001, "");
  clock.pass(500);
  way.end.attach({ stream: "s2" });
  way.end.snapshot(0, 24, 80, "");
  way.end.output(0, "the second");
  await settled(terminal);
  assert.deepEqual(rows(terminal), ["the second"]);
  way.end.listener.closed(1001, "");
  clock.pass(1000);
  way.end.open();
  assert.deepEqual(attachOf(way).stream, "s2");
});

test("what is drawn while it comes back is not acknowledged to who knows nothing of it", async () => {
  const { terminal, clock, way } = made();
  way.end.attach();
  way.end.snapshot(0, 24, 80, "");
  way.end.output(0, "drawn late");
  way.end.listener.closed(1001, "");
  clock.pass(500);
  way.end.attach();
  await settled(terminal);
  clock.pass(100);
  assert.deepEqual(acks(way), []);
  way.end.output(10, "!");
  await settled(terminal);
  clock.pass(100);
  assert.deepEqual(acks(way), [11]);
});

test("bytes of before a snapshot, drawn late, acknowledge nothing", async () => {
  const { terminal, clock, way } = made();
  way.end.attach();
  way.end.snapshot(1_000_000, 24, 80, "");
  way.end.output(1_000_000, "late");
  way.end.snapshot(500, 24, 80, "");
  await settled(terminal);
  clock.pass(100);
  assert.deepEqual(acks(way), [500]);
});

test("output that is missing is asked for again", () => {
  const { clock, way, shown } = made();
  way.end.attach();
  way.end.snapshot(0, 24, 80, "");
  way.end.output(0, "abc");
  way.end.output(10, "later");
  assert.equal(shown.latest?.name, "waiting");
  assert.equal(way.end.isClosed, true);
  clock.pass(500);
  way.end.open();
  assert.equal(attachOf(way).offset, 3);
});

test("the pauses grow, and are short again after a success", () => {
  const { clock, way, shown } = made();
  const delays = [];
  for (let count = 0; count < 7; count += 1) {
    way.end.listener.closed(1006, "");
    const { latest } = shown;
    assert.ok(latest?.name === "waiting");
    delays.push(latest.delay);
    clock.pass(latest.delay);
  }
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
  way.end.attach();
  way.end.listener.closed(1006, "");
  assert.deepEqual(shown.latest, { name: "waiting", delay: 500, reason: "" });
});

test("somebody who comes back to the page does not wait", () => {
  const { way, client } = made();
  way.end.listener.closed(1006, "");
  client.hurry();
  assert.equal(way.ends.length, 2);
  client.hurry();
  assert.equal(way.ends.length, 2);
});

test("keys go out when it is attached, and not before", () => {
  const { way, client } = made();
  assert.equal(client.type(key("lost")), false);
  way.end.attach();
  assert.equal(client.type(key("ls\r")), true);
  assert.deepEqual(way.end.take(0x11).map((body) => Buffer.from(body).toString()), ["ls\r"]);
});

test("an observer neither types nor sizes", () => {
  const { way, shown, client } = made();
  way.end.attach({ role: "observer" });
  assert.deepEqual(shown.roles, ["observer"]);
  assert.equal(client.type(key("x")), false);
  client.resize({ rows: 30, cols: 100 });
  assert.deepEqual([...way.end.take(0x11), ...way.end.take(0x12)], []);
});

test("a size is asked for once, and also when it changed on the way in", () => {
  const { way, client } = made();
  way.end.open();
  client.resize({ rows: 30, cols: 100 });
  assert.deepEqual(way.end.take(0x12), []);
  way.end.attach();
  client.resize({ rows: 30, cols: 100 });
  assert.deepEqual(way.end.take(0x12).map((body) => Buffer.from(body).toString("hex")), ["001e0064"]);
});

test("the size of the terminal is that of the PTY", async () => {
  const { terminal, way } = made();
  way.end.attach({ rows: 10, cols: 40 });
  assert.deepEqual([terminal.rows, terminal.cols], [10, 40]);
});

test("the end of the program is the end, until somebody wants it again", () => {
  const { clock, way, shown, client } = made();
  way.end.attach();
  way.end.tell(0x07, { exit_code: 3 });
  assert.deepEqual(shown.latest, { name: "ended", exitCode: 3 });
  clock.pass(60_000);
  assert.equal(way.ends.length, 1);
  client.connect();
  assert.equal(way.ends.length, 2);
});

test("what the server refuses is not tried again by itself, and says why", () => {
  const { clock, way, shown } = made();
  way.end.open();
  way.end.tell(0x06, { code: "cli_missing", message: "There is no claude." });
  way.end.listener.closed(4005, "cli_missing");
  assert.deepEqual(shown.latest, { name: "refused", reason: "There is no claude." });
  clock.pass(60_000);
  assert.equal(way.ends.length, 1);
});

test("who looks on waits for a session", () => {
  const { clock, way, shown } = made();
  way.end.open();
  way.end.tell(0x06, { code: "session_not_running", message: "There is none." });
  way.end.listener.closed(4005, "session_not_running");
  assert.deepEqual(shown.latest, { name: "waiting", delay: 500, reason: "There is none." });
  clock.pass(500);
  assert.equal(way.ends.length, 2);
});

test("where the page cannot connect the next way is taken at once, and kept", () => {
  const second = new HandWay();
  const { clock, way, shown } = made(second);
  way.end.listener.closed(1006, "");
  assert.equal(second.ends.length, 1);
  second.end.attach();
  second.end.listener.closed(1006, "");
  assert.equal(shown.latest?.name, "waiting");
  clock.pass(500);
  assert.deepEqual([way.ends.length, second.ends.length], [1, 2]);
});

test("a way that has worked is kept over a restart of the server", () => {
  const second = new HandWay();
  const { clock, way } = made(second);
  way.end.attach();
  way.end.listener.closed(1001, "");
  for (let count = 0; count < 3; count += 1) {
    clock.pass(15_000);
    way.end.listener.closed(1006, "");
  }
  assert.deepEqual([way.ends.length, second.ends.length], [4, 0]);
});

test("a session that another server holds is looked for by the next way", () => {
  const second = new HandWay();
  const { way, shown } = made(second);
  way.end.open();
  way.end.listener.closed(4409, "held");
  assert.equal(second.ends.length, 1);
  second.end.listener.closed(4409, "held");
  assert.deepEqual(shown.latest, { name: "refused", reason: "held" });
});

test("a server that says nothing is asked, and then given up", () => {
  const { clock, way, shown } = made();
  way.end.attach();
  clock.pass(20_000);
  assert.equal(way.end.take(0x18).length, 1);
  way.end.listener.received(Uint8Array.of(0x08));
  clock.pass(20_000);
  assert.equal(shown.latest?.name, "attached");
  clock.pass(20_000);
  assert.equal(way.end.take(0x18).length, 1);
  clock.pass(20_000);
  assert.equal(way.ends[0]?.isClosed, true);
});

test("a frame that does not fit ends the connection, not the terminal", () => {
  const { way, shown } = made();
  way.end.attach();
  way.end.listener.received(Uint8Array.of(0x01, 0x00));
  assert.equal(shown.latest?.name, "waiting");
});
