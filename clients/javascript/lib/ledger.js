// What must outlive the page: the events that are not confirmed, each under a key of its own in a storage with the interface of
// `localStorage`.
//
// One client at a time holds a ledger (claims.js). Every client is a producer of its own, with a name that nobody had before, and
// never adds to what an earlier one left: a browser writes late what is stored (Chromium up to a minute), so that after a crash
// the storage is as it was some time ago, and the next number that it knows of may have been used and confirmed since.

import { bytesOf, withSequence } from './event_form.js';

// A storage for those who have none, and for tests: forgets with the page.
export class MemoryStorage {
  #items = new Map();
  #keys = null; // In their order; null when they have to be listed again.
  get length() {
    return this.#items.size;
  }
  key(index) {
    this.#keys ??= [...this.#items.keys()];
    return this.#keys[index] ?? null;
  }
  getItem(key) {
    return this.#items.get(key) ?? null;
  }
  setItem(key, value) {
    this.#items.set(key, String(value));
    this.#keys = null;
  }
  removeItem(key) {
    this.#items.delete(key);
    this.#keys = null;
  }
}

// Texts that hold no `:`, so that they can be parts of a key.
const part = encodeURIComponent;

function keysOf(storage, prefix) {
  const keys = [];
  for (let index = 0; index < storage.length; index += 1) keys.push(storage.key(index));
  return keys.filter((key) => key?.startsWith(prefix));
}

// When the ledger was used last; null when that is no record of a ledger.
function usedAt(storage, key) {
  try {
    const { used } = JSON.parse(storage.getItem(key));
    return Number.isFinite(used) ? used : null;
  } catch {
    return null;
  }
}

// Whether it can be sent. A gateway ends the connection of whoever sends what it cannot understand.
function isWhole(sequence, rest) {
  try {
    return Number.isSafeInteger(sequence) && sequence > 0 && JSON.parse(withSequence(sequence, rest)) !== null;
  } catch {
    return false;
  }
}

// False when the storage does not let go of it.
function remove(storage, key) {
  try {
    storage.removeItem(key);
    return true;
  } catch {
    return false;
  }
}

// What one producer has in a ledger.
class Part {
  #storage;
  #prefix;
  #stuck = new Set(); // Sequences that are settled, and that the storage did not let go of.

  constructor(storage, prefix, producer) {
    this.#storage = storage;
    this.#prefix = prefix;
    this.producer = producer;
  }

  // What is not confirmed, by sequence: { sequence, rest, bytes }. Without what is damaged, as by a disk that was full.
  events() {
    return keysOf(this.#storage, this.#prefix)
      .filter((key) => !key.slice(this.#prefix.length).includes(':')) // In the form that keys had at first, all others follow.
      .map((key) => ({ sequence: Number(key.slice(this.#prefix.length)), rest: this.#storage.getItem(key) }))
      .filter(({ sequence, rest }) => isWhole(sequence, rest))
      .map(({ sequence, rest }) => ({ sequence, rest, bytes: bytesOf(withSequence(sequence, rest)) }))
      .sort((one, other) => one.sequence - other.sequence);
  }

  keep(sequence, rest) {
    this.#storage.setItem(`${this.#prefix}${sequence}`, rest);
  }

  // The event is confirmed, or refused for good. Never throws: what the storage does not let go of is removed when it lets go of a
  // later one; what is there still when the next client comes is sent again, as a duplicate.
  settle(sequence) {
    this.#stuck.add(sequence);
    if (!this.#remove(sequence)) return;
    for (const stuck of this.#stuck) this.#remove(stuck);
  }

  #remove(sequence) {
    return remove(this.#storage, `${this.#prefix}${sequence}`) && this.#stuck.delete(sequence);
  }
}

// That of the client which holds the ledger: the only one that grows.
class OwnPart extends Part {
  #ledger;
  #last = 0;

  constructor(storage, prefix, producer, ledger) {
    super(storage, prefix, producer);
    this.#ledger = ledger;
  }

  // Keeps an event and gives it its sequence. Throws what the storage throws when it is full; then nothing is kept.
  take(rest) {
    this.#last += 1;
    this.#ledger.touch();
    try {
      this.keep(this.#last, rest);
    } catch (error) {
      this.settle(this.#last); // Some keep half of it, or all, and throw then.
      throw error;
    }
    return this.#last;
  }
}

export class Ledger {
  #storage;
  #key;
  #user;

  // `user` is whose events these are; `suffix` tells the ledgers of one user apart.
  constructor(storage, { queue, user, suffix }, now = Date.now) {
    this.#storage = storage;
    this.#key = `${part(queue)}:${part(user)}:${part(suffix)}`;
    this.#user = user;
    this.suffix = suffix;
    this.now = now;
  }

  // The suffixes of all ledgers of this user, the one used last first.
  static suffixes(storage, { queue, user }) {
    const prefix = `${part(queue)}:${part(user)}:`;
    const keys = keysOf(storage, prefix);
    const holdsEvents = (ledger) => keys.some((key) => key.startsWith(`${ledger}:`));
    return keys
      .filter((key) => !key.slice(prefix.length).includes(':'))
      .map((key) => ({ key, suffix: key.slice(prefix.length), used: usedAt(storage, key) }))
      .filter(({ key, used }) => used !== null || holdsEvents(key)) // Else it is not ours; a damaged one with events is.
      .map(({ suffix, used }) => ({ suffix: decodeURIComponent(suffix), used: used ?? 0 }))
      .sort((one, other) => other.used - one.used)
      .map((found) => found.suffix);
  }

  // Whether somebody's ledger has events in it.
  static anyEvents(storage, { queue }) {
    return keysOf(storage, `${part(queue)}:`).some((key) => key.split(':').length > 3); // Those of ledgers have three parts.
  }

  get isEmpty() {
    return this.#keys().length === 0;
  }

  // What earlier clients left, in the order in which they came. What is in one is to be settled before the next.
  parts() {
    const found = new Map();
    for (const key of this.#keys()) {
      const prefix = key.slice(0, key.lastIndexOf(':') + 1);
      found.set(prefix, { prefix, ...this.#placeOf(key) });
    }
    const inTurn = [...found.values()].sort((one, other) => one.turn - other.turn);
    return inTurn.map(({ prefix, suffix }) => new Part(this.#storage, prefix, this.#named(suffix)));
  }

  // A part for a new client, behind all that is there. `suffix` tells the producers of one user apart: nobody may have had it.
  begin(suffix) {
    const turn = Math.max(0, ...this.#keys().map((key) => this.#placeOf(key).turn)) + 1;
    const prefix = `${this.#key}:${turn}:${part(suffix)}:`;
    return new OwnPart(this.#storage, prefix, this.#named(suffix), this);
  }

  // Milliseconds by the clock on the wall, which may have been set back meanwhile.
  get sinceUsedMs() {
    return this.now() - (usedAt(this.#storage, this.#key) ?? 0);
  }

  // Notes that it is in use.
  touch() {
    this.#storage.setItem(this.#key, JSON.stringify({ used: this.now() }));
  }

  // Gives it up, with all that is in it. False when something of it stays in the storage.
  remove() {
    try {
      // In this order: without the last key nobody would find the others.
      return [...this.#keys(), this.#key].every((key) => remove(this.#storage, key));
    } catch {
      return false; // It cannot be read.
    }
  }

  #keys() {
    return keysOf(this.#storage, `${this.#key}:`);
  }

  // From an event's key, LEDGER:TURN:SUFFIX:SEQUENCE. At first it was LEDGER:SEQUENCE, and the ledger's suffix the producer's.
  #placeOf(key) {
    const [, suffix = part(this.suffix), turn = 0] = key.slice(this.#key.length + 1).split(':').reverse();
    return { turn: Number(turn), suffix: decodeURIComponent(suffix) };
  }

  #named(suffix) {
    return this.#user === '' ? suffix : `${this.#user}/${suffix}`;
  }
}
