// How long to wait before the next attempt: twice as long each time, with jitter, so that the clients of a node that comes
// back do not all arrive at once (docs/protocol.md, Pings and the end). Pure: its dice are given.

export class Backoff {
  #step;

  constructor({ firstMs = 100, longestMs = 5_000, random = Math.random } = {}) {
    this.firstMs = firstMs;
    this.longestMs = longestMs;
    this.random = random;
    this.#step = firstMs;
  }

  // Milliseconds: between half of the step and one and a half; on top of `leastMs`, over as much again, for there may be many who
  // were all told to wait so long.
  next(leastMs = 0) {
    this.#step = Math.max(this.#step, Math.min(leastMs, this.longestMs));
    const pause = leastMs + this.#step * (0.5 + this.random());
    this.#step = Math.min(this.#step * 2, this.longestMs);
    return pause;
  }

  // All is well again.
  reset() {
    this.#step = this.firstMs;
  }
}
