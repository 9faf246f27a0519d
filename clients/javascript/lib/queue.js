// What one ledger holds, and what this client adds to it: one producer after the other, each when the one before has nothing
// left, so that what was published first comes first.

import { Producer } from './producer.js';

export class Queue {
  #producers; // Those in front are of earlier clients.
  #line = null; // Where the last flush went.
  #settled;

  // Takes up `parts` of a ledger; for publish() the last one must be this client's own. listeners: those of a Producer.
  constructor(parts, clock, { refused, settled, stalled }) {
    this.#settled = settled;
    const producers = parts.map((part) => new Producer(part, clock, { refused, stalled, settled: () => this.#goOn() }));
    this.#producers = producers.filter((producer) => producer.unconfirmed > 0 || producer === producers.at(-1));
  }

  get unconfirmed() {
    return this.#producers.reduce((sum, producer) => sum + producer.unconfirmed, 0);
  }

  get unconfirmedBytes() {
    return this.#producers.reduce((sum, producer) => sum + producer.unconfirmedBytes, 0);
  }

  publish(rest, promise) {
    this.#producers.at(-1).publish(rest, promise);
  }

  flush(line) {
    this.#line = line;
    this.#producers[0].flush(line);
  }

  disconnected() {
    for (const producer of this.#producers) producer.disconnected();
  }

  abandon(error) {
    for (const producer of this.#producers) producer.abandon(error);
  }

  #goOn() {
    if (this.#producers.length > 1 && this.#producers[0].unconfirmed === 0) {
      this.#producers.shift();
      this.flush(this.#line);
    }
    this.#settled();
  }
}
