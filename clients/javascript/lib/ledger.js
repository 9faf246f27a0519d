// What of one producer must outlive the page: its next sequence, and the events that are not confirmed, each under a key of
// its own in a storage with the interface of `localStorage`.
//
// One client at a time holds a ledger (claims.js). The next sequence is stored before an event that uses it, so that no
// sequence is ever given twice, whenever the page goes away.

import { bytesOf, withSequence } from './event_form.js';

// A storage for those who have none, and for tests: forgets with the page.
export class MemoryStorage {
  #items = new Map();
  get length() {
    return this.#items.size;
  }
  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }
  getItem(key) {
    return this.#items.get(key) ?? null;
  }
  setItem(key, value) {
    this.#items.set(key, String(value));
  }
  removeItem(key) {
    this.#items.delete(key);
  }
}

// Texts that hold no `:`, so that they can be parts of a key.
const part = encodeURIComponent;

function keysOf(storage) {
  const keys = [];
  for (let index = 0; index < storage.length; index += 1) keys.push(storage.key(index));
  return keys.filter((key) => key !== null);
}

export class Ledger {
  #storage;
  #key;
  #next;

  // `user` is whose events these are; `suffix` tells the producers of one user apart.
  constructor(storage, { queue, user, suffix }, now = Date.now) {
    this.#storage = storage;
    this.#key = `${part(queue)}:${part(user)}:${part(suffix)}`;
    this.suffix = suffix;
    this.producer = user === '' ? suffix : `${user}/${suffix}`;
    const stored = Ledger.#read(storage, this.#key);
    const sequences = this.events().map((event) => event.sequence);
    this.#next = Math.max(stored?.next ?? 1, ...sequences.map((sequence) => sequence + 1));
    this.now = now;
  }

  // The suffixes of all ledgers of this user, the one used last first.
  static suffixes(storage, { queue, user }) {
    const prefix = `${part(queue)}:${part(user)}:`;
    return keysOf(storage)
      .filter((key) => key.startsWith(prefix) && !key.slice(prefix.length).includes(':'))
      .map((key) => ({ suffix: decodeURIComponent(key.slice(prefix.length)), used: Ledger.#read(storage, key)?.used ?? 0 }))
      .sort((one, other) => other.used - one.used)
      .map((found) => found.suffix);
  }

  // What is not confirmed, by sequence: { sequence, rest, bytes }.
  events() {
    const prefix = `${this.#key}:`;
    return keysOf(this.#storage)
      .filter((key) => key.startsWith(prefix))
      .map((key) => {
        const sequence = Number(key.slice(prefix.length));
        const rest = this.#storage.getItem(key);
        return { sequence, rest, bytes: bytesOf(withSequence(sequence, rest)) };
      })
      .sort((one, other) => one.sequence - other.sequence);
  }

  // Notes that it is in use.
  touch() {
    this.#storage.setItem(this.#key, JSON.stringify({ next: this.#next, used: this.now() }));
  }

  // Keeps an event and gives it its sequence. Throws what the storage throws when it is full; then nothing is kept.
  take(rest) {
    const sequence = this.#next;
    this.#next += 1;
    this.touch();
    this.#storage.setItem(`${this.#key}:${sequence}`, rest);
    return sequence;
  }

  // The event is confirmed, or refused for good.
  settle(sequence) {
    this.#storage.removeItem(`${this.#key}:${sequence}`);
  }

  // Gives the producer up. Its name is never used again.
  remove() {
    for (const { sequence } of this.events()) this.settle(sequence);
    this.#storage.removeItem(this.#key);
  }

  static #read(storage, key) {
    try {
      return JSON.parse(storage.getItem(key));
    } catch {
      return null; // Not ours; the sequences of its events still count.
    }
  }
}
