// What an application holds: publishes, follows, acknowledges, over one connection that renews itself.
//
// Here is only what joins the parts: connection.js (the socket), queue.js (what is published), follow.js (what is read), claims.js
// (whose ledgers are ours). Requests carry an id; whoever waits for the answer is found by it.

import { Backoff } from './backoff.js';
import { CarillonError } from './errors.js';
import { Claims } from './claims.js';
import { Connection } from './connection.js';
import { Follow, checkFollow, readerOf } from './follow.js';
import { Ledger } from './ledger.js';
import { ProgramLocks, TabLocks } from './locks.js';
import { Queue } from './queue.js';
import { bytesOf, checkDevice, checkEntity, checkOffset, encodeEvent } from './event_form.js';
import { subjectOf } from './token.js';

const STUCK_MS = 3_000; // With a gateway that gets nothing done, while there are others.
const ORPHANS_EVERY_MS = 10_000;
const RENEW_EVERY_MS = 5_000; // A gateway warns again at once of a token that has less than a minute left.
const REQUESTS_MAX = 1_000; // Acknowledgements and questions that wait for their answer.
const ID_MAX = 2 ** 32 - 1;

// A name that nobody else has or had; it need not be a secret.
function newSuffix() {
  const bytes = new Uint8Array(8);
  if (globalThis.crypto) globalThis.crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256)); // Node 18.
  return `js-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

export class Client {
  #options;
  #clock;
  #connection;
  #welcome = null; // While the connection is open.
  #answers = new Map(); // By request id: (name, body, bytes) => void.
  #lastId = 0;
  #flushDue = false;
  #renewedAt = -Infinity; // When a token was last asked for because the one in use expires.
  #expiresAt; // The token in use, as the gateway says; undefined without one.
  #closedBy = null; // The error that closed the client.
  #putOffSince = null; // Since when the gateway has said nothing but that this is not the time.

  #user; // Whose events; undefined until it is known.
  #claims = null;
  #claimed = null; // A promise: there is a queue, or the client is closed.
  #own = null; // The queue, once claimed.
  #orphans = new Map(); // Queues that we finish for others, and their ledgers.
  #orphansTimer = null;
  #seekingOrphans = false;
  #early = []; // Published before there was a queue: { rest, bytes, promise }.
  #earlyBytes = 0;

  #follows = new Set();
  #requests = new Set(); // Unanswered.
  #timers = new Set();
  #listeners = new Map();
  #flushers = []; // Who waits for flush().
  #pageListeners = {
    online: () => this.#connection.hurry(),
    // Whoever looks again at a page that was away wants to know at once: the connection may have died unseen.
    pageshow: () => this.#connection.hurry(),
    visibilitychange: () => globalThis.document?.visibilityState === 'visible' && this.#connection.hurry(),
    pagehide: () => this.#claims?.leave(),
  };

  constructor(options) {
    this.#options = options;
    this.#clock = options.clock;
    const { token } = options;
    this.#connection = new Connection({
      addresses: options.addresses,
      WebSocket: options.WebSocket,
      clock: options.clock,
      random: options.random,
      backoff: new Backoff({ ...options.backoff, random: options.random }),
      attemptMs: options.attemptMs,
      pingMs: options.pingMs,
      canRenew: typeof token === 'function',
      tokenRefusalsMax: options.tokenRefusalsMax,
      token: async () => {
        const given = await this.#token();
        this.#identify(subjectOf(given));
        await this.#claimed; // So that from the first `open` on, what is published outlives a reload.
        return given;
      },
      opened: (welcome) => this.#opened(welcome),
      received: (name, body, text) => this.#received(name, body, text),
      lost: () => this.#lost(),
      changed: (state, detail) => this.#changed(state, detail),
      tokenRefused: (error) => this.#emit('token_refused', { error }),
    });
    if (options.user !== undefined) this.#identify(options.user);
    else if (typeof token !== 'function') this.#identify(token === undefined ? '' : subjectOf(token));
    for (const [name, listener] of Object.entries(this.#pageListeners)) globalThis.addEventListener?.(name, listener);
    this.#connection.start();
  }

  get state() {
    return this.#connection.state;
  }

  get unconfirmed() {
    let sum = this.#early.length + (this.#own?.unconfirmed ?? 0);
    for (const orphan of this.#orphans.keys()) sum += orphan.unconfirmed;
    return sum;
  }

  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, new Set());
    this.#listeners.get(name).add(listener);
    return () => void this.#listeners.get(name).delete(listener);
  }

  async publish(entity, type, payload = {}, options = {}) {
    this.#checkOpen();
    const rest = encodeEvent(entity, type, payload, options);
    const bytes = bytesOf(rest);
    const { eventsMax, bytesMax } = this.#options.queueLimits;
    if (bytes > bytesMax) {
      throw new CarillonError('payload_too_large', `the event has ${bytes} bytes, and the queue (queueBytesMax) ${bytesMax} in all`);
    }
    const events = this.#early.length + (this.#own?.unconfirmed ?? 0);
    const kept = this.#earlyBytes + (this.#own?.unconfirmedBytes ?? 0);
    if (events >= eventsMax || kept + bytes > bytesMax) {
      throw new CarillonError('limit_exceeded', `${events} events with ${kept} bytes wait already to be confirmed`);
    }
    return new Promise((resolve, reject) => {
      const promise = { resolve, reject };
      if (this.#own === null) {
        this.#early.push({ rest, bytes, promise });
        this.#earlyBytes += bytes;
      } else {
        this.#own.publish(rest, promise);
        this.#flushSoon();
      }
    });
  }

  async flush() {
    this.#checkOpen();
    if (this.unconfirmed === 0 && !this.#mayInherit()) return;
    await new Promise((resolve, reject) => this.#flushers.push({ resolve, reject }));
  }

  follow(entity, options = {}) {
    this.#checkOpen();
    checkEntity(entity);
    checkFollow(entity, options);
    if (options.device !== undefined) checkDevice(options.device);
    const { signal } = options;
    signal?.throwIfAborted();
    const abort = () => follow.stop(signal.reason);
    const follow = new Follow(entity, options, {
      wanted: () => this.#ask(follow),
      unfollow: () => this.#unfollow(follow),
      done: () => {
        signal?.removeEventListener('abort', abort);
        this.#follows.delete(follow);
        this.#unfollow(follow);
      },
    });
    this.#follows.add(follow);
    signal?.addEventListener('abort', abort, { once: true });
    this.#ask(follow);
    return readerOf(follow);
  }

  async acknowledge(entity, { device, offset }) {
    checkEntity(entity);
    checkDevice(device);
    checkOffset(offset, 0);
    const { offset: holds } = await this.#request('acknowledge', 'acknowledged', { entity, device, offset });
    return holds;
  }

  async positions(entity) {
    checkEntity(entity);
    const { last, devices } = await this.#request('positions', 'positions_are', { entity });
    return { last, devices };
  }

  async close() {
    this.#connection.close(new CarillonError('closed', 'the client was closed'));
  }

  // --- identity: who publishes

  async #token() {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  // For good: whose events are queued does not change. A token that does not say so leaves it to a later one, or to the gateway.
  #identify(user) {
    if (this.#user !== undefined || user === undefined) return;
    this.#user = user;
    this.#claimed = this.#claim(user);
  }

  async #claim(user) {
    const { storage, session, queue, clock, tabLocks } = this.#options;
    this.#claims = new Claims({
      storage,
      session,
      queue,
      user,
      locks: tabLocks ? new TabLocks(tabLocks, clock) : new ProgramLocks(storage),
      pages: Boolean(tabLocks),
      newSuffix,
      now: () => clock.now(),
    });
    try {
      const ledger = await this.#claims.own();
      if (this.state === 'closed') return this.#claims.release();
      this.#own = this.#queueOf([...ledger.parts(), this.#claims.begin(ledger)]);
    } catch (cause) {
      this.#claims.release(); // It may have been closed meanwhile.
      const unread = () => new CarillonError('unavailable', `the storage cannot be read: ${cause?.message ?? cause}`, { cause });
      return this.#connection.close(cause instanceof CarillonError ? cause : unread());
    }
    for (const { rest, promise } of this.#early.splice(0)) this.#own.publish(rest, promise);
    this.#earlyBytes = 0;
    this.#settled(); // There may have been nothing, or what the storage did not keep.
    this.#flushSoon();
    this.#seekOrphans();
  }

  // Whether an earlier page may have left something that is not ours yet, because nobody has said who we are, or the locks take their time.
  #mayInherit() {
    if (this.#own !== null) return false;
    try {
      return Ledger.anyEvents(this.#options.storage, this.#options);
    } catch {
      return true; // It cannot be read: #claim() tells.
    }
  }

  #queueOf(parts) {
    return new Queue(parts, this.#clock, {
      refused: (event, error) => this.#emit('refused', { event, error }),
      settled: () => this.#settled(),
      stalled: () => this.#moveOnIfStuck(),
    });
  }

  // Takes over what tabs that are gone have left, now and then.
  async #seekOrphans() {
    if (this.#seekingOrphans || this.#own === null || this.state === 'closed') return;
    this.#seekingOrphans = true;
    const ledgers = await this.#claims.orphans();
    this.#seekingOrphans = false;
    if (this.state === 'closed') return this.#claims.release();
    for (const ledger of ledgers) {
      try {
        this.#orphans.set(this.#queueOf(ledger.parts()), ledger);
      } catch {
        this.#claims.giveBack(ledger);
      }
    }
    this.#orphansTimer ??= this.#later(ORPHANS_EVERY_MS, () => {
      this.#orphansTimer = null;
      this.#seekOrphans();
    });
    if (ledgers.length === 0) return;
    this.#settled(); // All that was in one may have been damaged.
    this.#flushSoon();
  }

  #settled() {
    this.#putOffSince = null;
    for (const [queue, ledger] of this.#orphans) {
      if (queue.unconfirmed > 0) continue;
      this.#orphans.delete(queue);
      this.#claims.finish(ledger);
    }
    if (this.unconfirmed === 0) for (const { resolve } of this.#flushers.splice(0)) resolve();
  }

  // --- the connection's life

  #opened(welcome) {
    this.#identify(welcome.subject ?? '');
    if (welcome.subject !== undefined && welcome.subject !== this.#user) {
      // What is queued is somebody else's to publish.
      const message = `the token is ${welcome.subject}'s, this client is ${this.#user}'s; connect() anew for another user`;
      return this.#connection.close(new CarillonError('forbidden', message));
    }
    this.#welcome = welcome;
    this.#expiresAt = welcome.expires_at;
    this.#putOffSince = null;
    for (const follow of this.#follows) this.#ask(follow);
    for (const request of this.#requests) request.send();
    this.#flush();
    this.#seekOrphans();
  }

  #lost() {
    this.#welcome = null;
    this.#answers.clear();
    this.#own?.disconnected();
    for (const orphan of this.#orphans.keys()) orphan.disconnected();
    for (const follow of this.#follows) follow.disconnected();
  }

  #changed(state, detail) {
    if (state === 'closed') this.#closed(detail.error); // Before anybody is told, who may use us.
    this.#emit('state', { state, ...detail });
  }

  #closed(error) {
    this.#closedBy = error;
    for (const [name, listener] of Object.entries(this.#pageListeners)) globalThis.removeEventListener?.(name, listener);
    for (const timer of this.#timers) this.#clock.clearTimeout(timer);
    this.#timers.clear();
    const asked = error.code === 'closed';
    for (const follow of this.#follows) follow.finish(asked ? undefined : error);
    for (const request of this.#requests) request.reject(error);
    this.#requests.clear();
    this.#own?.abandon(error);
    for (const orphan of this.#orphans.keys()) orphan.abandon(error);
    for (const { promise } of this.#early.splice(0)) promise.reject(error);
    for (const { reject } of this.#flushers.splice(0)) reject(error);
    this.#claims?.release();
  }

  #checkOpen() {
    if (this.state !== 'closed') return;
    const cause = this.#closedBy;
    const why = cause.code === 'closed' ? '' : `: ${cause.message}`;
    throw new CarillonError('closed', `the client is closed${why}`, { cause });
  }

  // The gateway refuses because something behind it is not there: perhaps another one is better off.
  #moveOnIfStuck() {
    this.#putOffSince ??= this.#clock.now();
    if (!this.#connection.hasOthers || this.#clock.now() - this.#putOffSince < STUCK_MS) return;
    this.#connection.moveOn(new CarillonError('unavailable', `${this.#connection.address} gets nothing done`));
  }

  // --- messages

  #received(name, body, text) {
    if (name === 'expiring') return this.#expiring();
    const answer = this.#answers.get(body?.id);
    // What comes for a request that is no longer waited for is late; what has no id is from a later version.
    answer?.(name, body, text);
  }

  // Sends the message that build(id) gives; `answer` hears of everything that comes for it.
  #send(build, answer) {
    const id = (this.#lastId = (this.#lastId % ID_MAX) + 1);
    this.#answers.set(id, (name, body, text) => answer(name, body, text, id));
    this.#connection.send(build(id));
    return id;
  }

  #expiring() {
    if (typeof this.#options.token === 'function') this.#renewSoon(this.#welcome);
  }

  // Not more often than every few seconds: where tokens are short, or the application keeps one until it has expired, the new
  // one is about to expire as well.
  #renewSoon(life) {
    const pauseMs = this.#renewedAt + RENEW_EVERY_MS - this.#clock.now();
    if (pauseMs <= 0) this.#renew(life);
    else this.#later(pauseMs, () => this.#renew(life));
  }

  async #renew(life) {
    if (life === null || this.#welcome !== life) return; // The next connection has asked for a token itself.
    this.#renewedAt = this.#clock.now();
    let token;
    try {
      token = await this.#token();
      if (typeof token !== 'string') throw new TypeError(`\`token\` gave ${token}`); // A gateway would not understand us.
    } catch (cause) {
      const error = new CarillonError('unauthenticated', `no token could be had: ${cause?.message ?? cause}`, { cause });
      return this.#notRenewed(life, error);
    }
    if (this.#welcome !== life) return;
    this.#send(
      (id) => ({ authenticate: { id, token } }),
      (name, body, text, id) => {
        this.#answers.delete(id);
        if (name === 'authenticated') this.#expiresAt = body.expires_at;
        else this.#notRenewed(life, CarillonError.of(body));
      },
    );
  }

  // The connection goes on with the old token until that expires; meanwhile the application is asked again, now and then. (Then
  // the gateway ends the connection, and it is for the next one to be refused.)
  #notRenewed(life, error) {
    if (this.#welcome !== life) return;
    const looked = !error.passes || error.code === 'unauthenticated'; // Else the gateway had no time to look at it.
    if (looked) this.#emit('token_refused', { error, expiresAt: this.#expiresAt });
    if (this.#welcome === life) this.#renewSoon(life); // Whoever was told may have closed us.
  }

  #flushSoon() {
    if (this.#flushDue) return;
    this.#flushDue = true;
    queueMicrotask(() => {
      this.#flushDue = false;
      this.#flush();
    });
  }

  #flush() {
    const welcome = this.#welcome;
    if (welcome === null) return;
    const line = {
      welcome,
      isUp: () => this.#welcome === welcome,
      request: (build, answer) => {
        this.#send(build, (name, body, text, id) => {
          this.#answers.delete(id);
          answer(name, body);
        });
      },
    };
    for (const queue of [this.#own, ...this.#orphans.keys()]) queue?.flush(line);
  }

  // --- follows

  #ask(follow) {
    if (this.#welcome === null || !follow.wants || !this.#follows.has(follow)) return;
    this.#send(
      (id) => ({ follow: follow.request(id) }),
      (name, body, text, id) => this.#heard(follow, name, body, text, id),
    );
  }

  #heard(follow, name, body, text, id) {
    if (follow.id !== id) return;
    if (name === 'following') {
      this.#putOffSince = null;
      follow.following(body);
    } else if (name === 'events') {
      this.#putOffSince = null;
      if (!follow.took(body, text.length)) {
        const message = `${follow.entity} was to go on at ${follow.next}, and went on at ${body.first}`;
        this.#connection.moveOn(new CarillonError('unavailable', message));
      }
    } else if (name === 'ended' || name === 'refused') {
      this.#answers.delete(id);
      const pauseMs = follow.ended(CarillonError.of(body));
      if (pauseMs === null) return;
      this.#again(pauseMs, () => this.#ask(follow));
      this.#moveOnIfStuck();
    }
  }

  #unfollow(follow) {
    const { id } = follow;
    if (id === null) return;
    follow.id = null;
    if (this.#welcome === null) return;
    this.#connection.send({ unfollow: { id } });
    // Until the gateway confirms, the id is not free.
    this.#answers.set(id, (name) => {
      if (name === 'unfollowed' || name === 'ended' || name === 'refused') this.#answers.delete(id);
    });
  }

  // --- acknowledgements and questions: repeated until they are answered; that they are repeated does no harm

  #request(name, answerName, members) {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      if (this.#requests.size >= REQUESTS_MAX) {
        throw new CarillonError('limit_exceeded', `${REQUESTS_MAX} requests wait already for their answer`);
      }
      const request = { reject, send: null };
      const answered = (answer, body, text, id) => {
        this.#answers.delete(id);
        const error = answer === answerName ? null : CarillonError.of(body);
        if (error?.passes) {
          this.#again(error.retryAfterMs ?? 100, () => this.#requests.has(request) && request.send());
          return this.#moveOnIfStuck();
        }
        this.#putOffSince = null;
        this.#requests.delete(request);
        if (error) reject(error);
        else resolve(body);
      };
      request.send = () => {
        if (this.#welcome !== null) this.#send((id) => ({ [name]: { id, ...members } }), answered);
      };
      this.#requests.add(request);
      request.send();
    });
  }

  // --- small things

  // Asks again after a pause. Not on the next connection: that one is asked when it opens.
  #again(ms, ask) {
    const life = this.#welcome;
    this.#later(ms, () => {
      if (this.#welcome === life) ask();
    });
  }

  #later(ms, action) {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, ms);
    this.#timers.add(timer);
    return timer;
  }

  #emit(name, detail) {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(detail);
      } catch (error) {
        // A listener's mistake is no reason to lose a connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
