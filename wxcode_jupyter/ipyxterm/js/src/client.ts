/**
 * A client of `wxterm.v1`: connects, draws, acknowledges what has been drawn, and comes back by itself.
 *
 * It knows bytes and offsets, no page: what it draws on is a `Screen`, what it connects by is a list of `Way`s.
 */

import { type Clock, realClock } from "./clock.ts";
import * as frames from "./frames.ts";
import type { Role, ServerFrame, State } from "./frames.ts";
import { Intake } from "./intake.ts";
import type { Link, Way } from "./link.ts";
import type { Screen } from "./screen.ts";

export type Phase =
  | { name: "connecting" }
  | { name: "attached" }
  /** The connection was lost, or did not come about: it is tried again in so many milliseconds. */
  | { name: "waiting"; delay: number; reason: string }
  /** The program has ended. */
  | { name: "ended"; exitCode: number | null }
  /** The server will not: trying again by itself makes no sense. */
  | { name: "refused"; reason: string };

/** What the page shows of it. */
export interface Display {
  phase(phase: Phase): void;
  state(state: Partial<State>): void;
  role(role: Role): void;
  /** Something to know, which lasts until the next one; "" takes it away. */
  notice(text: string): void;
}

export interface Size {
  rows: number;
  cols: number;
}

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 15_000;
/** After so long without a word the server is asked, and after as long again it is gone. */
const SILENCE_MS = 20_000;
/** Close codes of our server that the next way may not share: no such session here, held by another server. */
const ELSEWHERE = [4004, 4409];
const REFUSED = [4000, 4004, 4005, 4409];
/** Who looks on waits until somebody who may starts the session. */
const NOT_YET = "session_not_running";

export class Client {
  private link: Link | null = null;
  /** The way that is gone, or the next one; the first that works is kept, as long as it knows the session. */
  private current = 0;
  private hasWorked = false;
  private phase: Phase = { name: "connecting" };
  private attempts = 0;
  private role: Role = "driver";
  private wanted: Size | null = null;
  private asked: Size | null = null;

  private failure: { code: string; message: string } | null = null;
  private heardAt = 0;
  private pinged = false;
  private readonly intake: Intake;
  private stopTimer: (() => void) | null = null;

  constructor(
    private readonly screen: Screen,
    private readonly ways: readonly Way[],
    private readonly display: Display,
    private readonly clock: Clock = realClock,
    private readonly random: () => number = Math.random,
  ) {
    this.intake = new Intake(screen, (offset) => this.link?.send(frames.ack(offset)), clock);
  }

  /** Whether what is typed goes out. */
  get canType(): boolean {
    return this.phase.name === "attached" && this.role === "driver";
  }

  /** What to know of the way that it is connected by. */
  get remark(): string {
    return this.way.remark;
  }

  /** Connect, also before it is due or after the end. */
  connect(): void {
    this.drop();
    this.enter({ name: "connecting" });
    this.failure = null;
    this.link = this.way.open({
      opened: () => this.begin(),
      received: (message) => this.receive(message),
      closed: (code, reason) => this.lose(code, reason),
      told: (notice) => this.display.notice(notice),
    });
  }

  /** Try now, where it waits for the next try. */
  hurry(): void {
    if (this.phase.name === "waiting") this.connect();
  }

  /** Leave; nothing happens any more. */
  close(): void {
    this.drop();
  }

  /** Send keys, or megabytes of a paste, in order; false where nobody takes them. */
  type(chunk: Uint8Array): boolean {
    if (!this.canType || this.link === null) return false;
    for (const frame of frames.input(chunk)) this.link.send(frame);
    return true;
  }

  /** Ask for a size; what becomes of it the server says. */
  resize(size: Size): void {
    if (size.rows === this.wanted?.rows && size.cols === this.wanted.cols) return;
    this.wanted = size;
    this.ask();
  }

  private get way(): Way {
    const way = this.ways[this.current];
    if (way === undefined) throw new Error("ipyxterm: there is no way to connect");
    return way;
  }

  private ask(): void {
    const { wanted, asked } = this;
    if (!this.canType || wanted === null || (wanted.rows === asked?.rows && wanted.cols === asked.cols)) return;
    this.asked = wanted;
    this.link?.send(frames.resize(wanted.rows, wanted.cols));
  }

  private begin(): void {
    this.heardAt = this.clock.now();
    this.pinged = false;
    if (!this.way.isPatient) this.watch();
    this.asked = this.wanted;
    this.intake.begin(this.way.window);
    this.link?.send(
      frames.attach({
        stream: this.intake.stream,
        offset: this.intake.received,
        rows: this.wanted?.rows ?? null,
        cols: this.wanted?.cols ?? null,
        window: this.way.window,
      }),
    );
  }

  private receive(message: Uint8Array): void {
    this.heardAt = this.clock.now();
    this.pinged = false;
    let frame: ServerFrame | null;
    try {
      frame = frames.decode(message);
    } catch (error) {
      console.error("ipyxterm: a frame that does not fit", error);
      this.retry("The server sent a frame that does not fit.");
      return;
    }
    if (frame !== null) this.take(frame);
  }

  private take(frame: ServerFrame): void {
    switch (frame.type) {
      case "output":
        if (!this.intake.take(frame.offset, frame.chunk)) this.retry("Output is missing.");
        break;
      case "snapshot":
        this.intake.restore(frame.offset, frame.rows, frame.cols, frame.chunk);
        break;
      case "size":
        this.screen.resize(frame.rows, frame.cols);
        break;
      case "state":
        if (typeof frame.state.stream === "string") this.intake.follow(frame.state.stream);
        this.display.state(frame.state);
        break;
      case "role":
        this.role = frame.role;
        this.attempts = 0;
        this.hasWorked = true;
        this.display.role(frame.role);
        this.enter({ name: "attached" });
        this.ask();
        break;
      case "error":
        this.failure = frame;
        if (this.phase.name === "attached") this.display.notice(frame.message);
        break;
      case "closed":
        this.drop();
        this.enter({ name: "ended", exitCode: frame.exitCode });
        break;
      case "pong":
        break;
    }
  }

  private lose(code: number, reason: string): void {
    const isElsewhere = ELSEWHERE.includes(code);
    const told = this.failure?.message ?? reason;
    const isNotYet = this.failure?.code === NOT_YET;
    const isRefused = REFUSED.includes(code) && !isNotYet;
    const mayBeAnother = isElsewhere || (!this.hasWorked && !isNotYet);
    this.drop();
    const isLast = this.current === this.ways.length - 1;
    if (isRefused && (isLast || !isElsewhere)) {
      this.current = 0;
      this.enter({ name: "refused", reason: told || `The server refuses (${code}).` });
    } else if (mayBeAnother && !isLast) {
      this.current += 1;
      this.connect();
    } else {
      if (mayBeAnother) this.current = 0;
      this.wait(told);
    }
  }

  /** Give the connection up and come back: what was received stays, and only what is missing is asked for. */
  private retry(reason: string): void {
    this.drop();
    this.wait(reason);
  }

  private wait(reason: string): void {
    const longest = Math.min(LAST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.attempts);
    this.attempts += 1;
    // Not all pages of a server that was started again at the same moment.
    const delay = longest * (0.5 + 0.5 * this.random());
    this.enter({ name: "waiting", delay, reason });
    this.stopTimer = this.clock.after(delay, () => this.connect());
  }

  /** Notice a server that is gone without a word: a laptop that slept, a cable that was pulled. */
  private watch(): void {
    this.stopTimer?.();
    this.stopTimer = this.clock.after(SILENCE_MS, () => {
      if (this.clock.now() - this.heardAt >= SILENCE_MS) {
        if (this.pinged) {
          this.retry("The server says nothing any more.");
          return;
        }
        this.pinged = true;
        this.link?.send(frames.ping());
      }
      this.watch();
    });
  }

  private drop(): void {
    this.stopTimer?.();
    this.stopTimer = null;
    this.link?.close();
    this.link = null;
  }

  private enter(phase: Phase): void {
    this.phase = phase;
    this.display.phase(phase);
  }
}
