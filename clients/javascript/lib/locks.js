// Who holds what: so that no two tabs use one ledger, and the ledger of a tab that is gone can be taken over.
//
// hold(name, waitMs) gives a function that releases the lock, or null when somebody else has it and keeps it for so long. It
// rejects where there are no locks to be had, as in a page that is being taken down.

import { CarillonError } from './errors.js';

// Between the tabs of one origin; the browser releases what a tab held when it goes away, however it goes.
export class TabLocks {
  #manager;
  #clock;

  constructor(manager, clock) {
    this.#manager = manager;
    this.#clock = clock;
  }

  hold(name, waitMs = 0) {
    return new Promise((resolve, reject) => {
      const patience = new AbortController();
      const timer = waitMs > 0 ? this.#clock.setTimeout(() => patience.abort(), waitMs) : null;
      const options = waitMs > 0 ? { signal: patience.signal } : { ifAvailable: true };
      const stopWaiting = () => {
        if (timer !== null) this.#clock.clearTimeout(timer);
      };
      const held = (lock) => {
        stopWaiting();
        if (lock === null) return resolve(null);
        return new Promise((release) => {
          resolve(release);
        });
      };
      this.#manager.request(name, options, held).catch((cause) => {
        stopWaiting();
        if (patience.signal.aborted) resolve(null);
        else reject(new CarillonError('unavailable', `the browser gives no lock: ${cause.message}`, { cause }));
      });
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
