/**
 * What is drawn, in its order: bytes, sizes and resets, one after the other.
 *
 * xterm.js parses what is written later, in slices, while `resize` and `reset` act at once. Between bytes they would hit
 * the wrong place, so they wait here until everything before them has been drawn.
 */

/** As much of @xterm/xterm (or @xterm/headless) as is needed. */
export interface Drawable {
  write(chunk: Uint8Array, drawn: () => void): void;
  resize(cols: number, rows: number): void;
  reset(): void;
  readonly cols: number;
  readonly rows: number;
}

type Step =
  | { chunk: Uint8Array; drawn: () => void; snapshot: boolean }
  | { rows: number; cols: number }
  | "reset";

/** So many bytes are handed to xterm.js at a time: what waits here can still be dropped when a snapshot comes. */
const IN_FLIGHT_LIMIT = 256 * 1024;

export class Screen {
  private steps: Step[] = [];
  private inFlight = 0;
  private snapshots = 0;
  /** The beginning of a character whose end has not come: xterm.js loses some that are cut between two writes. */
  private begun: Uint8Array = new Uint8Array();

  constructor(private readonly terminal: Drawable) {}

  /** Whether a snapshot is being drawn: what xterm.js answers to queries in it was answered long ago. */
  get isRestoring(): boolean {
    return this.snapshots > 0;
  }

  /** Draw bytes; `drawn` is called when they are on the screen, in the order of the calls. */
  write(chunk: Uint8Array, drawn: () => void): void {
    this.add({ chunk, drawn, snapshot: false });
  }

  /** Make the size that of the PTY. */
  resize(rows: number, cols: number): void {
    this.add({ rows, cols });
  }

  /** Begin anew: drop what waits to be drawn, reset, take the size, draw the bytes. */
  restore(rows: number, cols: number, chunk: Uint8Array, drawn: () => void): void {
    this.steps = ["reset", { rows, cols }];
    this.add({ chunk, drawn, snapshot: true });
  }

  private add(step: Step): void {
    this.steps.push(step);
    this.go();
  }

  private go(): void {
    for (let step = this.steps[0]; step !== undefined; step = this.steps[0]) {
      if (typeof step === "object" && "chunk" in step) {
        if (this.inFlight >= IN_FLIGHT_LIMIT) return;
        this.steps.shift();
        this.draw(step.chunk, step.drawn, step.snapshot);
      } else {
        if (this.inFlight > 0) return;
        this.steps.shift();
        if (step === "reset") this.terminal.reset();
        else if (step.rows !== this.terminal.rows || step.cols !== this.terminal.cols)
          this.terminal.resize(step.cols, step.rows);
      }
    }
  }

  private draw(chunk: Uint8Array, drawn: () => void, snapshot: boolean): void {
    const bytes = snapshot ? chunk : joined(this.begun, chunk);
    const end = endOfWhole(bytes);
    this.begun = bytes.slice(end);
    // An empty write would never be told of as drawn before what follows; it counts as a byte.
    const cost = Math.max(chunk.length, 1);
    this.inFlight += cost;
    this.snapshots += snapshot ? 1 : 0;
    this.terminal.write(bytes.subarray(0, end), () => {
      this.inFlight -= cost;
      this.snapshots -= snapshot ? 1 : 0;
      drawn();
      this.go();
    });
  }
}

function joined(before: Uint8Array, after: Uint8Array): Uint8Array {
  if (before.length === 0) return after;
  const whole = new Uint8Array(before.length + after.length);
  whole.set(before);
  whole.set(after, before.length);
  return whole;
}

/** Where a character of UTF-8 begins that is not complete; the length where there is none. */
function endOfWhole(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
