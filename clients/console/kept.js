// One value that a page remembers; where the browser lets pages store nothing, until it is closed.
export class Kept {
  #storage;
  #key;
  #value = null;

  // `storage` is the name of one: localStorage or sessionStorage. To name it itself throws where it is forbidden.
  constructor(storage, key) {
    this.#key = key;
    try {
      this.#storage = globalThis[storage];
      this.#value = this.#storage.getItem(key);
    } catch {
      this.#storage = null;
    }
  }

  get() {
    return this.#value;
  }

  // null forgets it.
  set(value) {
    this.#value = value;
    try {
      if (value === null) this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, value);
    } catch {
      // Full.
    }
  }
}
