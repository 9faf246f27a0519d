// A clock that stands until it is told to go on.

export class FakeClock {
  #now = 0;
  #timers = new Map();
  #last = 0;

  now = () => this.#now;

  setTimeout = (action, ms) => {
    this.#last += 1;
    this.#timers.set(this.#last, { action, due: this.#now + ms });
    return this.#last;
  };

  clearTimeout = (timer) => this.#timers.delete(timer);

  get pending() {
    return this.#timers.size;
  }

  // Milliseconds until the next timer is due, or null.
  get nextIn() {
    const dues = [...this.#timers.values()].map((timer) => timer.due);
    return dues.length === 0 ? null : Math.min(...dues) - this.#now;
  }

  // Lets what is due happen, one after the other, with everything that follows from it.
  async advance(ms) {
    const until = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers.entries()].filter(([, timer]) => timer.due <= until).sort(([, a], [, b]) => a.due - b.due);
      if (due.length === 0) break;
      const [id, timer] = due[0];
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, timer.due);
      timer.action();
      await settle();
    }
    this.#now = until;
  }
}

// All promises that are settled have had their say.
export const settle = () => new Promise((resolve) => setImmediate(resolve));
