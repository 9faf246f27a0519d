// Holds what one producer has to publish until it is settled, and decides what to send next and what an answer means.
//
// Pure: no clock, no sockets, no storage. An entry has a `sequence` and its size in `bytes`; the rest is its owner's. Sends in
// the order of the sequences; goes back to the first refused one after a refusal that passes (go-back-N), and to the first
// unsettled one after a lost connection. What is under way spans less than SPAN sequences, so that the server can always
// tell an event that was sent again from a new one.

import { CarillonError } from './errors.js';

const SPAN = 1_024;
const PAUSE_SHORTEST_MS = 1;
const SHARE_LEAST = 1 / 256;

export class Outbox {
  #entries = []; // Begins with the first unsettled one; settled ones may follow it.
  #next = 0; // The index of the next one to send.
  #calls = new Set(); // Sent and not answered.
  #highest = 0; // Sequence offered so far.
  #holding = false;
  #pauseMs = 0;
  #share = 1; // Of the limits that a call takes: less where connections end before a call gets through.
  #isAnswered = false; // Something was, on this connection.

  constructor({ batchEventsMax = 256, batchBytesMax = 256 * 1024, callsMax = 4 } = {}) {
    this.limits = { batchEventsMax, batchBytesMax, callsMax };
  }

  get isEmpty() {
    return this.#entries.length === 0;
  }

  // Sequences must grow.
  offer(entry) {
    if (entry.sequence <= this.#highest) throw new RangeError('sequences must grow');
    this.#highest = entry.sequence;
    this.#entries.push({ entry, settled: false });
  }

  // The next batch to send now, or null: its `entries`, one at least. Give it back to answered().
  nextCall() {
    const eventsMax = Math.ceil(this.limits.batchEventsMax * this.#share);
    const bytesMax = this.limits.batchBytesMax * this.#share;
    if (this.#holding || this.#calls.size >= (this.#share < 1 ? 1 : this.limits.callsMax)) return null;
    const items = [];
    let bytes = 0;
    for (; this.#next < this.#entries.length; this.#next += 1) {
      const item = this.#entries[this.#next];
      if (item.settled) continue;
      if (item.entry.sequence - this.#entries[0].entry.sequence >= SPAN) break;
      if (items.length >= eventsMax) break;
      if (items.length > 0 && bytes + item.entry.bytes > bytesMax) break;
      bytes += item.entry.bytes;
      items.push(item);
    }
    if (items.length === 0) return null;
    const call = { items, entries: items.map((item) => item.entry) };
    this.#calls.add(call);
    return call;
  }

  // The call was answered; what has no refusal in `refusals` ({ index, error: CarillonError }) is accepted. Gives what that
  // means: { accepted: entries, refused: [{ entry, error }] (for good), pauseMs }. When `pauseMs` is not null nothing more
  // is sent until resume(), to be called after that long.
  answered(call, refusals) {
    const accepted = [];
    const refused = [];
    this.#isAnswered = true;
    this.#share = Math.min(1, this.#share * 2);
    if (this.#calls.delete(call)) {
      const errors = new Map(refusals.map((refusal) => [refusal.index, refusal.error]));
      call.items.forEach((item, index) => {
        const error = errors.get(index);
        if (error?.passes) {
          this.#hold(error.retryAfterMs ?? 0);
        } else if (error?.code === 'limit_exceeded' && call.items.length > 1) {
          // The gateway takes smaller batches than we thought.
          this.limits.batchEventsMax = Math.min(this.limits.batchEventsMax, Math.ceil(call.items.length / 2));
          this.#hold(0);
        } else {
          item.settled = true;
          if (error) refused.push({ entry: item.entry, error });
          else accepted.push(item.entry);
        }
      });
      this.#forgetSettled();
    }
    const quiet = this.#holding && this.#calls.size === 0;
    return { accepted, refused, pauseMs: quiet ? this.#pauseMs : null };
  }

  // The call as a whole was refused.
  refused(call, error) {
    return this.answered(
      call,
      call.items.map((_, index) => ({ index, error })),
    );
  }

  // What is too large for the gateway that we are connected to is refused here: sent, it would end the connection.
  refuseLargerThan(bytesMax) {
    const refused = [];
    const error = new CarillonError('payload_too_large', `the event has more than the ${bytesMax} bytes of a message`);
    for (const item of this.#entries) {
      if (item.settled || item.entry.bytes <= bytesMax) continue;
      item.settled = true;
      refused.push({ entry: item.entry, error });
    }
    this.#forgetSettled();
    return refused;
  }

  // The pause is over: begins again at the first unsettled entry.
  resume() {
    this.#holding = false;
    this.#pauseMs = 0;
    this.#next = 0;
  }

  // What is under way will not be answered; everything unsettled is to be sent again, in order. Less of it at a time when nothing
  // was answered on that connection: a gateway closes one on which a message takes too long to come.
  disconnected() {
    if (this.#calls.size > 0 && !this.#isAnswered) this.#share = Math.max(SHARE_LEAST, this.#share / 2);
    this.#isAnswered = false;
    this.#calls.clear();
    this.resume();
  }

  // Calls under way are answered first, so that each answer is of the latest sending.
  #hold(pauseMs) {
    this.#holding = true;
    this.#pauseMs = Math.max(this.#pauseMs, pauseMs, PAUSE_SHORTEST_MS);
  }

  #forgetSettled() {
    const first = this.#entries.findIndex((item) => !item.settled);
    const settled = first < 0 ? this.#entries.length : first;
    this.#entries.splice(0, settled);
    this.#next = Math.max(0, this.#next - settled);
  }
}
