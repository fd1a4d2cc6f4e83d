import assert from "node:assert/strict";
import { test } from "node:test";
import { kernelWay } from "../src/kernel.ts";
import type { Link } from "../src/link.ts";
import type { Model } from "../src/model.ts";
import { HandClock } from "./support.ts";

interface Sent {
  kind: string;
  link: string;
  seq: number;
  frames: number[][];
}

class HandModel implements Model {
  sent: Sent[] = [];
  private takers = new Set<(...told: never[]) => void>();

  get(): unknown {
    return "";
  }
  on(_event: string, take: (...told: never[]) => void): void {
    this.takers.add(take);
  }
  off(_event: string, take: (...told: never[]) => void): void {
    this.takers.delete(take);
  }
  send(content: unknown, _callbacks?: unknown, buffers: ArrayBuffer[] = []): void {
    this.sent.push({ ...(content as Sent), frames: buffers.map((buffer) => [...new Uint8Array(buffer)]) });
  }
  tell(content: object, ...frames: number[][]): void {
    const buffers = frames.map((frame) => new DataView(Uint8Array.from(frame).buffer));
    for (const take of [...this.takers]) (take as (told: object, buffers: DataView[]) => void)(content, buffers);
  }
  get listeners(): number {
    return this.takers.size;
  }
}

function made() {
  const [model, clock, heard] = [new HandModel(), new HandClock(), [] as unknown[]];
  const link: Link = kernelWay(model, clock).open({
    opened: () => heard.push("opened"),
    received: (frame) => heard.push([...frame]),
    closed: (code, reason) => heard.push(["closed", code, reason]),
    told: (notice) => heard.push(["told", notice !== ""]),
  });
  const id = model.sent[0]?.link ?? "";
  return { model, clock, heard, link, tell: (kind: string, what: object = {}, ...frames: number[][]) =>
    model.tell({ kind, link: id, ...what }, ...frames) };
}

const batches = (model: HandModel) =>
  model.sent.filter(({ kind }) => kind === "frames").map(({ seq, frames }) => [seq, frames]);

test("frames go up in batches: while one is on its way the next gathers", () => {
  const { model, link, tell } = made();
  tell("opened");
  for (const byte of [1, 2, 3]) link.send(Uint8Array.of(byte));
  assert.deepEqual(batches(model), [[1, [[1]]]]);
  tell("taken", { seq: 1 });
  assert.deepEqual(batches(model), [
    [1, [[1]]],
    [2, [[2], [3]]],
  ]);
  tell("taken", { seq: 1 });
  link.send(Uint8Array.of(4));
  tell("taken", { seq: 2 });
  assert.deepEqual(batches(model).at(-1), [3, [[4]]]);
});

test("a large paste goes up in several", () => {
  const { model, link, tell } = made();
  tell("opened");
  link.send(Uint8Array.of(0));
  const frame = new Uint8Array(400_000);
  for (let count = 0; count < 5; count += 1) link.send(frame);
  for (const seq of [1, 2, 3, 4]) tell("taken", { seq });
  const sizes = model.sent.filter(({ kind }) => kind === "frames").map(({ frames }) => frames.length);
  assert.deepEqual(sizes, [1, 2, 2, 1]);
});

test("what was not taken is told, and sent again, more and more rarely", () => {
  const { model, clock, heard, link, tell } = made();
  tell("opened");
  link.send(Uint8Array.of(1));
  clock.pass(2_000);
  assert.deepEqual(heard.at(-1), ["told", true]);
  clock.pass(60_000);
  assert.deepEqual(batches(model), Array(3).fill([1, [[1]]]));
  tell("taken", { seq: 1 });
  assert.deepEqual(heard.at(-1), ["told", false]);
});

test("frames come down once and in order", () => {
  const { heard, tell } = made();
  tell("opened");
  tell("frames", { seq: 1 }, [1], [2]);
  tell("frames", { seq: 1 }, [1], [2]);
  tell("frames", { seq: 2 }, [3]);
  assert.deepEqual(heard, ["opened", [1], [2], [3]]);
});

test("a batch that is missing ends the link", () => {
  const { model, heard, tell } = made();
  tell("opened");
  tell("frames", { seq: 2 }, [3]);
  assert.deepEqual(heard.at(-1), ["closed", 1006, "Jupyter dropped messages of the kernel."]);
  assert.equal(model.sent.at(-1)?.kind, "close");
  assert.equal(model.listeners, 0);
});

test("a kernel that does not answer is given up", () => {
  const { clock, heard } = made();
  clock.pass(10_000);
  assert.deepEqual(heard, [["closed", 1006, "The kernel does not answer."]]);
});

test("the end of the connection is told with its code", () => {
  const { model, heard, link, tell } = made();
  tell("opened");
  tell("closed", { code: 4409, reason: "held" });
  assert.deepEqual(heard.at(-1), ["closed", 4409, "held"]);
  link.close();
  assert.deepEqual(model.sent.map(({ kind }) => kind), ["open"]);
});

test("messages for another view are not ours", () => {
  const { model, heard } = made();
  model.tell({ kind: "opened", link: "another" });
  assert.deepEqual(heard, []);
});
