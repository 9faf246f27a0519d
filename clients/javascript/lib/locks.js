// Who holds what: so that no two tabs use one ledger, and the ledger of a tab that is gone can be taken over.
//
// hold(name, waitMs) gives a function that releases the lock, or null when somebody else has it and keeps it for so long.

// Between the tabs of one origin; the browser releases what a tab held when it goes away, however it goes.
export class TabLocks {
  #manager;
  #clock;

  constructor(manager, clock) {
    this.#manager = manager;
    this.#clock = clock;
  }

  hold(name, waitMs = 0) {
    return new Promise((resolve) => {
      const patience = new AbortController();
      const timer = waitMs > 0 ? this.#clock.setTimeout(() => patience.abort(), waitMs) : null;
      const options = waitMs > 0 ? { signal: patience.signal } : { ifAvailable: true };
      const held = (lock) => {
        if (timer !== null) this.#clock.clearTimeout(timer);
        if (lock === null) return resolve(null);
        return new Promise((release) => {
          resolve(release);
        });
      };
      this.#manager.request(name, options, held).catch(() => resolve(null)); // Aborted.
    });
  }
}

// Within one program: between the clients that share a storage.
export class ProgramLocks {
  static #byStorage = new WeakMap();
  #held;

  constructor(storage) {
    if (!ProgramLocks.#byStorage.has(storage)) ProgramLocks.#byStorage.set(storage, new Set());
    this.#held = ProgramLocks.#byStorage.get(storage);
  }

  async hold(name) {
    if (this.#held.has(name)) return null;
    this.#held.add(name);
    return () => this.#held.delete(name);
  }
}
