/** What has come of the output, and what of it has been drawn: by offset, none twice and none missing. */

import type { Clock } from "./clock.ts";
import type { Screen } from "./screen.ts";

/** An acknowledgement is due at a part of the window, or when so much time has passed since something was drawn. */
const PART = 8;
const DELAY_MS = 50;

export class Intake {
  /** Whose output it is; null before it is known. */
  stream: string | null = null;
  /** Everything before it has come, and will be drawn; null where nothing is on the screen that could be gone on with. */
  received: number | null = null;

  private drawn = 0;
  private acknowledged = 0;
  /** Rises with every snapshot: bytes of before it, drawn late, tell nothing of its offsets. */
  private epoch = 0;
  /** Whether this connection has sent output: only then does the server know what an acknowledgement is of. */
  private isFlowing = false;
  private window = 0;
  private stop: (() => void) | null = null;

  constructor(
    private readonly screen: Screen,
    /** Told an offset: everything before it has been drawn. */
    private readonly acknowledge: (offset: number) => void,
    private readonly clock: Clock,
  ) {}

  /** Begin with another connection, of which so many bytes may be on their way. */
  begin(window: number): void {
    this.window = window;
    this.isFlowing = false;
    this.stop?.();
    this.stop = null;
  }

  /** Another stream's offsets begin anew: until its snapshot comes, nothing is known of where we are. */
  follow(stream: string): void {
    if (stream === this.stream) return;
    this.stream = stream;
    this.received = null;
    this.epoch += 1;
  }

  /** Take output, less what has come before; false where some is missing in between. */
  take(offset: number, chunk: Uint8Array): boolean {
    const expected = this.received ?? offset;
    if (offset > expected) return false;
    this.isFlowing = true;
    const fresh = chunk.subarray(expected - offset);
    this.received = expected + fresh.length;
    if (fresh.length > 0) this.screen.write(fresh, this.whenDrawn(this.received));
    return true;
  }

  /** Begin anew with a snapshot. */
  restore(offset: number, rows: number, cols: number, chunk: Uint8Array): void {
    this.epoch += 1;
    this.isFlowing = true;
    this.received = this.drawn = this.acknowledged = offset;
    this.screen.restore(rows, cols, chunk, this.whenDrawn(offset));
  }

  private whenDrawn(offset: number): () => void {
    const epoch = this.epoch;
    return () => {
      if (epoch !== this.epoch) return;
      this.drawn = offset;
      if (this.drawn - this.acknowledged >= this.window / PART) this.tell();
      else this.stop ??= this.clock.after(DELAY_MS, () => this.tell());
    };
  }

  private tell(): void {
    this.stop?.();
    this.stop = null;
    if (!this.isFlowing) return;
    this.acknowledged = this.drawn;
    this.acknowledge(this.drawn);
  }
}
