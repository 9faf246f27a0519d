// One stream that is followed: what the gateway is to be asked for, what has come, and what the reader has not taken yet.
//
// Its offsets are contiguous, whatever happens to connections: it always asks from the next one on (P4). Bounded: a reader
// who is slow makes it unfollow when the buffer is full, and follow again where it was when half of that is read; meanwhile
// the events wait on the server's disk, not here.

import { CarillonError } from './errors.js';

export class Follow {
  #host;
  #buffer = []; // [event, bytes]
  #bytes = 0;
  #readers = []; // Promises of next() that wait.
  #end = null; // { error } when nothing more comes.
  #taken = null; // The offset that the reader got last.

  next = null; // The offset that comes next; null until the gateway has said what `from` means.
  id = null; // Of the request on the connection, while there is one.
  wants = true; // To be asked for: there is room, and no end.

  // host: wanted(follow), unfollow(follow), done(follow).
  constructor(entity, { from = 1, device, present = false, truncated = 'throw', bufferEvents = 1_000, bufferBytes = 1024 * 1024 }, host) {
    this.entity = entity;
    this.from = from;
    this.device = device;
    this.present = present;
    this.truncated = truncated;
    this.limits = { events: bufferEvents, bytes: bufferBytes };
    this.#host = host;
    if (typeof from === 'number') this.next = from;
  }

  // The offset behind the last event that the reader got: where another follow would go on. Null when not known yet.
  get position() {
    if (this.#taken !== null) return this.#taken + 1;
    return this.#buffer.length > 0 ? this.#buffer[0][0].offset : this.next;
  }

  // The body of the request.
  request(id) {
    this.id = id;
    this.wants = false;
    const body = { id, entity: this.entity, from: this.next ?? this.from };
    if (this.next === null && this.device !== undefined) body.device = this.device;
    if (this.present) body.present = true;
    return body;
  }

  following({ next }) {
    this.next ??= next;
  }

  // Events came, `bytes` of them on the wire. False when they are not those that come next.
  took({ first, events }, bytes) {
    if (this.next === null || first !== this.next) return false;
    const share = bytes / Math.max(events.length, 1);
    for (const event of events) {
      const { accepted_at: acceptedAt, redrive_of: redriveOf, ...members } = event;
      const again = redriveOf === undefined ? {} : { redriveOf };
      this.#buffer.push([{ entity: this.entity, offset: this.next, acceptedAt, ...again, ...members }, share]);
      this.#bytes += share;
      this.next += 1;
    }
    this.#serve();
    if (this.#end === null && this.id !== null && this.#isFull()) this.#host.unfollow(this);
    return true;
  }

  // The gateway does not go on. Gives the pause after which to ask again, or null when that is the end.
  ended(error) {
    this.id = null;
    if (error.passes) {
      this.wants = !this.#isFull();
      return error.retryAfterMs ?? 100;
    }
    if (error.code === 'truncated' && this.truncated === 'skip' && error.firstOffset > 0) {
      this.next = error.firstOffset;
      this.wants = true;
      return 0;
    }
    this.finish(error);
    return null;
  }

  disconnected() {
    this.id = null;
    this.wants = this.#end === null && !this.#isFull();
  }

  // Nothing more is asked for. What has come is still read, then comes `error`, or the end.
  finish(error) {
    if (this.#end !== null) return;
    this.#end = { error };
    this.wants = false;
    this.#serve();
    this.#host.done(this);
  }

  // The reader's side.
  pull() {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  // The reader wants no more.
  stop(error) {
    if (this.#buffer.length > 0) this.#taken ??= this.#buffer[0][0].offset - 1; // `position` tells of what was not read.
    this.#buffer = [];
    this.finish(error);
  }

  #serve() {
    while (this.#readers.length > 0 && this.#buffer.length > 0) {
      const [event, bytes] = this.#buffer.shift();
      this.#bytes -= bytes;
      this.#taken = event.offset;
      this.#readers.shift().resolve({ value: event, done: false });
    }
    if (this.#end !== null && this.#buffer.length === 0) {
      for (const { resolve, reject } of this.#readers.splice(0)) {
        const { error } = this.#end;
        this.#end = { error: undefined }; // An error is thrown once; behind it is the end.
        if (error) reject(error);
        else resolve({ value: undefined, done: true });
      }
    } else if (this.#end === null && this.id === null && !this.wants && this.#isHalfEmpty()) {
      this.wants = true;
      this.#host.wanted(this);
    }
  }

  #isFull() {
    return this.#buffer.length >= this.limits.events || this.#bytes >= this.limits.bytes;
  }

  #isHalfEmpty() {
    return this.#buffer.length <= this.limits.events / 2 && this.#bytes <= this.limits.bytes / 2;
  }
}

// What `for await` needs, and nothing else.
export function readerOf(follow) {
  const reader = {
    get entity() {
      return follow.entity;
    },
    get position() {
      return follow.position;
    },
    next: () => follow.pull(),
    return: async (value) => {
      follow.stop();
      return { value, done: true };
    },
    [Symbol.asyncIterator]: () => reader,
  };
  return reader;
}

export function checkFollow(entity, { from = 1, device, present = false, truncated = 'throw', bufferEvents, bufferBytes }) {
  const known = Number.isSafeInteger(from) ? from >= 1 : from === 'end' || from === 'acknowledged';
  if (!known) throw new CarillonError('malformed', "`from` is an offset from 1 on, 'end' or 'acknowledged'");
  if (from === 'acknowledged' && device === undefined) {
    throw new CarillonError('malformed', "`from: 'acknowledged'` needs a `device`");
  }
  if (typeof present !== 'boolean') throw new CarillonError('malformed', '`present` is true or false');
  if (present && !entity.startsWith('player/')) {
    throw new CarillonError('malformed', `\`present\` is for players, and ${entity} is none`);
  }
  if (truncated !== 'throw' && truncated !== 'skip') {
    throw new CarillonError('malformed', "`truncated` is 'throw' or 'skip'");
  }
  for (const [name, limit] of Object.entries({ bufferEvents, bufferBytes })) {
    const isGood = limit === undefined || (typeof limit === 'number' && limit >= 1);
    if (!isGood) throw new CarillonError('malformed', `\`${name}\` is a number from 1 on`);
  }
}
