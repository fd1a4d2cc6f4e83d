/** Timers; injected by tests. */

export interface Clock {
  /** Milliseconds that only rise. */
  now(): number;
  /** Act after so many milliseconds, unless what is returned is called before. */
  after(delay: number, act: () => void): () => void;
}

export const realClock: Clock = {
  now: () => performance.now(),
  after(delay, act) {
    const timer = setTimeout(act, delay);
    return () => clearTimeout(timer);
  },
};
