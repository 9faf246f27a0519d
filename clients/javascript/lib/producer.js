// One producer: its part of a ledger, which outlives the page, its outbox, and the promises of those who published.

import { bytesOf, withSequence } from './event_form.js';
import { CarillonError } from './errors.js';
import { Outbox } from './outbox.js';

export class Producer {
  #part;
  #outbox = new Outbox();
  #entries = []; // Unsettled.
  #listeners;
  #timer = null; // Of a pause.
  #clock;

  unconfirmed = 0; // Events,
  unconfirmedBytes = 0; // and what they take on the wire.

  // Takes up what `part` holds. listeners: refused(event, error) for those that nobody waits for; settled(); stalled(),
  // when a gateway asked to wait.
  constructor(part, clock, listeners) {
    this.#part = part;
    this.#clock = clock;
    this.#listeners = listeners;
    for (const event of part.events()) this.#offer({ ...event, promise: null });
  }

  get name() {
    return this.#part.producer;
  }

  // `promise` is { resolve, reject } or null.
  publish(rest, promise) {
    let sequence;
    try {
      sequence = this.#part.take(rest);
    } catch (cause) {
      return promise.reject(new CarillonError('limit_exceeded', `the storage keeps nothing more: ${cause?.message ?? cause}`, { cause }));
    }
    this.#offer({ sequence, rest, bytes: bytesOf(withSequence(sequence, rest)), promise });
  }

  // Sends what may be sent over `line`, one connection's life: isUp(); welcome; request(build, answer), which sends the message
  // that build(id) gives.
  flush(line) {
    if (!line.isUp()) return;
    const { welcome } = line;
    const bytesMax = (welcome.message_bytes_max ?? 1024 * 1024) - 1024; // The rest is room for what is round the events.
    this.#settle([], this.#outbox.refuseLargerThan(bytesMax));
    const { limits } = this.#outbox;
    limits.batchEventsMax = Math.min(limits.batchEventsMax, welcome.batch_events_max ?? limits.batchEventsMax);
    limits.batchBytesMax = Math.min(limits.batchBytesMax, bytesMax);
    while (line.isUp()) { // Whoever was told of a refusal may have closed it.
      const call = this.#outbox.nextCall();
      if (call === null) return;
      const events = call.entries.map((entry) => withSequence(entry.sequence, entry.rest)).join(',');
      line.request(
        (id) => `{"publish":{"id":${id},"producer":${JSON.stringify(this.name)},"events":[${events}]}}`,
        (name, body) => {
          if (name === 'published') this.#answered(call, body.refusals ?? [], line);
          else this.#perform(this.#outbox.refused(call, CarillonError.of(body)), line);
        },
      );
    }
  }

  disconnected() {
    this.#stopTimer();
    this.#outbox.disconnected();
  }

  // Nobody hears of its events any more; the storage keeps them.
  abandon(error) {
    this.#stopTimer();
    this.#outbox.disconnected();
    for (const entry of this.#entries.splice(0)) entry.promise?.reject(error);
  }

  #offer(entry) {
    this.#entries.push(entry);
    this.unconfirmed += 1;
    this.unconfirmedBytes += entry.bytes;
    this.#outbox.offer(entry);
  }

  #answered(call, refusals, line) {
    const errors = refusals.map((refusal) => ({ index: refusal.index, error: CarillonError.of(refusal) }));
    this.#perform(this.#outbox.answered(call, errors), line);
  }

  // The pause begins first: those who are told may leave the connection, which ends it.
  #perform({ accepted, refused, pauseMs }, line) {
    if (pauseMs !== null) {
      this.#timer = this.#clock.setTimeout(() => {
        this.#timer = null;
        this.#outbox.resume();
        this.flush(line);
      }, pauseMs);
    }
    this.#settle(accepted, refused);
    if (pauseMs !== null) this.#listeners.stalled();
    else this.flush(line);
  }

  #settle(accepted, refused) {
    const settled = new Set([...accepted, ...refused.map((one) => one.entry)]);
    if (settled.size === 0) return;
    this.#entries = this.#entries.filter((entry) => !settled.has(entry));
    for (const entry of settled) {
      this.#part.settle(entry.sequence);
      this.unconfirmed -= 1;
      this.unconfirmedBytes -= entry.bytes;
    }
    for (const entry of accepted) entry.promise?.resolve({ producer: this.name, sequence: entry.sequence });
    for (const { entry, error } of refused) {
      if (entry.promise) entry.promise.reject(error);
      else this.#listeners.refused(JSON.parse(withSequence(entry.sequence, entry.rest)), error);
    }
    this.#listeners.settled();
  }

  #stopTimer() {
    if (this.#timer !== null) this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
