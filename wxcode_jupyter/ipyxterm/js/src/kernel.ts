/**
 * A WebSocket of the kernel, reached through the widget's comm: for pages that cannot reach the server themselves.
 *
 * The kernel's side is `tunnel.py`, which has the table of the messages. Frames travel in batches: while one is on its
 * way up, the next gathers; each is numbered, repeated until it was taken, and taken once. Of what comes down a number that
 * is missing ends the link (Jupyter drops messages beyond its rate limit): at the next one the server repeats what is
 * missing.
 */

import type { Model } from "./model.ts";
import type { Link, Listener, Way } from "./link.ts";
import type { Clock } from "./clock.ts";

const OPEN_LIMIT_MS = 10_000;
const SLOW_MS = 1_500;
const REPEAT_MS = 10_000;
const BATCH_LIMIT = 1 << 20;
/** As browsers say of a connection that broke. */
const BROKEN = 1006;

const BUSY =
  "The kernel is busy or gone. What you type arrives when its cell has ended; if it was restarted, run this cell again.";

interface FromKernel {
  kind: string;
  link: string;
  seq: number;
  code: number;
  reason: string;
}

export function kernelWay(model: Model, clock: Clock): Way {
  return {
    remark: "Connected through the kernel: the terminal may stand still while a cell runs.",
    isPatient: true,
    // Jupyter limits the rate of what a kernel sends, and drops what is beyond it.
    window: 64 * 1024,
    open: (listener) => new KernelLink(model, listener, clock),
  };
}

class KernelLink implements Link {
  private readonly id = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  private waiting: Uint8Array[] = [];
  private flying: Uint8Array[] | null = null;
  private sent = 0;
  private taken = 0;
  private isSlow = false;
  private isOver = false;
  private stopTimer: () => void;

  constructor(
    private readonly model: Model,
    private readonly listener: Listener,
    private readonly clock: Clock,
  ) {
    model.on("msg:custom", this.receive);
    model.send({ kind: "open", link: this.id });
    this.stopTimer = clock.after(OPEN_LIMIT_MS, () => this.end(BROKEN, "The kernel does not answer."));
  }

  send(frame: Uint8Array): void {
    this.waiting.push(frame);
    if (this.flying === null) this.next();
  }

  close(): void {
    if (this.isOver) return;
    this.leave();
    this.model.send({ kind: "close", link: this.id });
  }

  private readonly receive = (told: FromKernel, buffers: DataView[] = []): void => {
    if (told.link !== this.id) return;
    switch (told.kind) {
      case "opened":
        this.stopTimer();
        this.listener.opened();
        break;
      case "taken":
        if (told.seq === this.sent) this.wasTaken();
        break;
      case "frames":
        this.take(told.seq, buffers);
        break;
      case "closed":
        this.leave();
        this.listener.closed(told.code, told.reason);
        break;
    }
  };

  private take(seq: number, buffers: DataView[]): void {
    if (seq !== this.taken + 1) {
      if (seq > this.taken) this.end(BROKEN, "Jupyter dropped messages of the kernel.");
      return;
    }
    this.taken = seq;
    for (const { buffer, byteOffset, byteLength } of buffers)
      this.listener.received(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  }

  private next(): void {
    let size = 0;
    const count = this.waiting.findIndex((frame) => (size += frame.length) > BATCH_LIMIT);
    this.flying = this.waiting.splice(0, count === -1 ? this.waiting.length : Math.max(count, 1));
    this.sent += 1;
    this.fly(REPEAT_MS);
  }

  private fly(pause: number): void {
    const message = { kind: "frames", link: this.id, seq: this.sent };
    this.model.send(message, undefined, (this.flying ?? []).map((frame) => frame.slice().buffer));
    this.stopTimer();
    this.stopTimer = this.clock.after(SLOW_MS, () => {
      this.isSlow = true;
      this.listener.told(BUSY);
      this.stopTimer = this.clock.after(pause, () => this.fly(2 * pause));
    });
  }

  private wasTaken(): void {
    this.stopTimer();
    if (this.isSlow) this.listener.told("");
    this.isSlow = false;
    this.flying = null;
    if (this.waiting.length > 0) this.next();
  }

  private end(code: number, reason: string): void {
    this.close();
    this.listener.closed(code, reason);
  }

  private leave(): void {
    this.isOver = true;
    this.stopTimer();
    this.model.off("msg:custom", this.receive);
  }
}
