/** What the tests stand on: a clock that is moved by hand, a way whose other end the test holds, frames of a server. */

import headless from "@xterm/headless";
import type { Display, Phase } from "../src/client.ts";
import type { Clock } from "../src/clock.ts";
import type { Role, State } from "../src/frames.ts";
import type { Link, Listener, Way } from "../src/link.ts";

export class HandClock implements Clock {
  private time = 0;
  private timers: { at: number; act: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(delay: number, act: () => void): () => void {
    const timer = { at: this.time + delay, act };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** Let time pass; what becomes due on the way is done in its order. */
  pass(delay: number): void {
    const end = this.time + delay;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((other) => other !== due);
      this.time = due.at;
      due.act();
    }
    this.time = end;
  }
}

export class HandWay implements Way {
  readonly remark = "";
  readonly isPatient = false;
  readonly window = 64 * 1024;
  readonly ends: End[] = [];

  open(listener: Listener): Link {
    const end = new End(listener);
    this.ends.push(end);
    return end;
  }

  /** The other end of the latest link. */
  get end(): End {
    const end = this.ends.at(-1);
    if (end === undefined) throw new Error("nothing was opened");
    return end;
  }
}

export class End implements Link {
  sent: Uint8Array[] = [];
  isClosed = false;
  private isOpen = false;

  constructor(readonly listener: Listener) {}

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  close(): void {
    this.isClosed = true;
  }

  /** What was sent, by type, and forget it. */
  take(type: number): Uint8Array[] {
    const found = this.sent.filter((frame) => frame[0] === type).map((frame) => frame.subarray(1));
    this.sent = this.sent.filter((frame) => frame[0] !== type);
    return found;
  }

  open(): void {
    if (!this.isOpen) this.listener.opened();
    this.isOpen = true;
  }

  /** Open, and attach as a server does. */
  attach({ stream = "s1", role = "driver", rows = 24, cols = 80, offset = 0 } = {}): void {
    this.open();
    this.tell(0x04, { stream, connected: true, state: "idle" });
    this.tell(0x05, { role });
    this.size(offset, rows, cols);
  }

  tell(type: number, body: object): void {
    this.listener.received(Uint8Array.from([type, ...new TextEncoder().encode(JSON.stringify(body))]));
  }

  output(offset: number, text: string): void {
    this.listener.received(message(0x01, offset, [], text));
  }

  size(offset: number, rows: number, cols: number): void {
    this.listener.received(message(0x03, offset, [rows, cols], ""));
  }

  snapshot(offset: number, rows: number, cols: number, text: string): void {
    this.listener.received(message(0x02, offset, [rows, cols], text));
  }
}

export function message(type: number, offset: number, numbers: number[], text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const made = new Uint8Array(9 + 2 * numbers.length + bytes.length);
  const view = new DataView(made.buffer);
  view.setUint8(0, type);
  view.setBigUint64(1, BigInt(offset));
  numbers.forEach((number, place) => view.setUint16(9 + 2 * place, number));
  made.set(bytes, 9 + 2 * numbers.length);
  return made;
}

export class Shown implements Display {
  phases: Phase[] = [];
  states: Partial<State>[] = [];
  roles: Role[] = [];
  notices: string[] = [];

  phase(phase: Phase): void {
    this.phases.push(phase);
  }
  state(state: Partial<State>): void {
    this.states.push(state);
  }
  role(role: Role): void {
    this.roles.push(role);
  }
  notice(text: string): void {
    this.notices.push(text);
  }

  get latest(): Phase | undefined {
    return this.phases.at(-1);
  }
}

export type Terminal = InstanceType<typeof headless.Terminal>;

export function newTerminal(): Terminal {
  return new headless.Terminal({ allowProposedApi: true, cols: 80, rows: 24, scrollback: 1000 });
}

/** Wait until a terminal has drawn all that was written. */
export function settled(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => terminal.write("", resolve));
}

/** The rows that have text, history included. */
export function rows(terminal: Terminal): string[] {
  const { active } = terminal.buffer;
  const all = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? "");
  while (all.at(-1) === "") all.pop();
  return all;
}
