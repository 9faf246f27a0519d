// One producer: its ledger, which outlives the page, its outbox, and the promises of those who published.

import { bytesOf, withSequence } from './event_form.js';
import { CarillonError } from './errors.js';
import { Outbox } from './outbox.js';

export class Producer {
  #ledger;
  #outbox = new Outbox();
  #entries = []; // Unsettled.
  #listeners;
  #timer = null; // Of a pause.
  #clock;

  unconfirmed = 0; // Events,
  unconfirmedBytes = 0; // and what they take on the wire.

  // Takes up what the ledger holds. listeners: refused(event, error) for those that nobody waits for; settled(); stalled(),
  // when a gateway asked to wait.
  constructor(ledger, clock, listeners) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#listeners = listeners;
    for (const event of ledger.events()) this.#offer({ ...event, promise: null });
  }

  get name() {
    return this.#ledger.producer;
  }

  // `promise` is { resolve, reject } or null.
  publish(rest, promise) {
    let sequence;
    try {
      sequence = this.#ledger.take(rest);
    } catch (cause) {
      return promise.reject(new CarillonError('limit_exceeded', `the storage keeps nothing more: ${cause.message}`, { cause }));
    }
    this.#offer({ sequence, rest, bytes: bytesOf(withSequence(sequence, rest)), promise });
  }

  // Sends what may be sent. request(build, answer) sends the message that build(id) gives.
  flush(request, welcome) {
    const bytesMax = (welcome.message_bytes_max ?? 1024 * 1024) - 1024; // The rest is room for what is round the events.
    this.#settle([], this.#outbox.refuseLargerThan(bytesMax));
    const { limits } = this.#outbox;
    limits.batchEventsMax = Math.min(limits.batchEventsMax, welcome.batch_events_max ?? limits.batchEventsMax);
    limits.batchBytesMax = Math.min(limits.batchBytesMax, bytesMax);
    for (let call = this.#outbox.nextCall(); call !== null; call = this.#outbox.nextCall()) {
      const sent = call;
      const events = call.entries.map((entry) => withSequence(entry.sequence, entry.rest)).join(',');
      request(
        (id) => `{"publish":{"id":${id},"producer":${JSON.stringify(this.name)},"events":[${events}]}}`,
        (name, body) => {
          if (name === 'published') this.#answered(sent, body.refusals ?? [], () => this.flush(request, welcome));
          else this.#perform(this.#outbox.refused(sent, CarillonError.of(body)), () => this.flush(request, welcome));
        },
      );
    }
  }

  disconnected() {
    this.#stopTimer();
    this.#outbox.disconnected();
  }

  // Nobody hears of its events any more; the ledger keeps them.
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

  #answered(call, refusals, goOn) {
    const errors = refusals.map((refusal) => ({ index: refusal.index, error: CarillonError.of(refusal) }));
    this.#perform(this.#outbox.answered(call, errors), goOn);
  }

  #perform({ accepted, refused, pauseMs }, goOn) {
    this.#settle(accepted, refused);
    if (pauseMs !== null) {
      this.#listeners.stalled();
      this.#timer = this.#clock.setTimeout(() => {
        this.#timer = null;
        this.#outbox.resume();
        goOn();
      }, pauseMs);
    } else {
      goOn();
    }
  }

  #settle(accepted, refused) {
    const settled = new Set([...accepted, ...refused.map((one) => one.entry)]);
    if (settled.size === 0) return;
    this.#entries = this.#entries.filter((entry) => !settled.has(entry));
    for (const entry of settled) {
      this.#ledger.settle(entry.sequence);
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
