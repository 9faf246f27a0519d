// Keeps one WebSocket to one of several gateways open: connects, greets, notices silence, and connects again with a growing,
// jittered pause. Knows nothing of what travels over it.
//
// States: `connecting` (an attempt is under way), `open` (the gateway has greeted us), `waiting` (for the next attempt),
// `closed` (for good: close() was called, or the gateway said what no repetition can mend, or refused every token of a row).

import { CarillonError } from './errors.js';
import { isSendable } from './token.js';

const SUBPROTOCOL = 'carillon.v1';
const LIFE_THAT_COUNTS_MS = 1_000; // A connection that ended earlier does not shorten the next pause.
const LIMIT_EXCEEDED = 4429;
const PAUSE_AFTER_LIMIT_MS = 1_000; // At least.
const ANSWER_WHEN_ASKED_MS = 5_000; // When there is a reason to doubt the network.

const CLOSE_CODES = {
  1001: ['unavailable', 'the node stops'],
  1009: ['payload_too_large', 'a message was larger than the gateway takes'],
  4400: ['malformed', 'the gateway could not understand a message'],
  4401: ['unauthenticated', 'the token is missing, wrong or expired'],
  4403: ['forbidden', "this page's origin is not allowed (carillon serve --allow-origin)"],
  4408: ['unavailable', 'the gateway heard nothing from us for too long'],
  [LIMIT_EXCEEDED]: ['limit_exceeded', 'too many connections, messages or bytes'],
};

export class Connection {
  #options;
  #address;
  #socket = null; // The one that counts; events of earlier ones are ignored.
  #timer = null; // Of the attempt, the heartbeat or the pause, by state.
  #attempts = 0; // So that a token that comes too late is told from the one that is waited for.
  #refusals = 0; // Tokens that were refused since the last welcome.
  #openedAt = 0;
  #heardAt = 0;
  #pinged = false;
  #limits = null; // The welcome.
  #said = null; // What the gateway said was wrong, before it closed.
  #sentAway = false; // The pause is one that the gateway asks for.

  state = 'idle';

  // options: addresses, token() (a promise of a token or undefined), canRenew (whether token() may give another one next time),
  // tokenRefusalsMax (in a row, then it closes; one where canRenew is false), WebSocket, clock, backoff, attemptMs, pingMs (null: as the gateway says), random;
  // opened(welcome), received(name, body, text), lost(), changed(state, detail),
  // tokenRefused(error).
  constructor(options) {
    this.#options = options;
    this.#address = Math.floor(options.random() * options.addresses.length);
  }

  get address() {
    return this.#options.addresses[this.#address];
  }

  get hasOthers() {
    return this.#options.addresses.length > 1;
  }

  start() {
    this.#connect();
  }

  // False when there is no connection; then nothing is sent.
  send(message) {
    if (this.state !== 'open') return false;
    this.#socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    return true;
  }

  // Leaves this gateway for the next one.
  moveOn(error) {
    if (this.state === 'open' || this.state === 'connecting') this.#failed(error);
  }

  // Something may have changed about the network: no need to wait any longer, or reason to ask whether anybody is there.
  hurry() {
    if (this.state === 'waiting' && !this.#sentAway) {
      this.#clearTimer();
      this.#connect();
    } else if (this.state === 'open') {
      this.#beat(true);
    }
  }

  close(error) {
    if (this.state === 'closed') return;
    const wasOpen = this.state === 'open';
    this.#drop(1000);
    this.#become('closed', { error });
    if (wasOpen) this.#options.lost();
  }

  async #connect() {
    const attempt = (this.#attempts += 1);
    this.#become('connecting', { address: this.address });
    if (attempt !== this.#attempts) return; // Whoever was told has closed us.
    this.#setTimer(this.#options.attemptMs, () =>
      this.#failed(new CarillonError('timeout', `no welcome from ${this.address} within ${this.#options.attemptMs} ms`)),
    );
    let token;
    try {
      token = await this.#options.token();
    } catch (cause) {
      if (attempt !== this.#attempts || this.state !== 'connecting') return;
      const error = new CarillonError('unauthenticated', `no token could be had: ${cause?.message ?? cause}`, { cause });
      this.#options.tokenRefused(error);
      if (attempt === this.#attempts && this.state === 'connecting') this.#failed(error); // Whoever was told may have closed us.
      return;
    }
    if (attempt !== this.#attempts || this.state !== 'connecting') return;
    this.#open(token);
  }

  #open(token) {
    if (token !== undefined && !isSendable(token)) {
      return this.#tokenRefused(new CarillonError('unauthenticated', 'the token has characters that no token may have'));
    }
    const protocols = token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, `carillon.token.${token}`];
    let socket;
    try {
      socket = new this.#options.WebSocket(this.address, protocols);
    } catch (cause) {
      return this.close(new CarillonError('malformed', `cannot connect to ${this.address}: ${cause.message}`, { cause }));
    }
    this.#socket = socket;
    this.#said = null;
    const ours = (action) => (event) => {
      if (this.#socket === socket) action(event);
    };
    socket.onmessage = ours((event) => this.#received(event.data));
    socket.onclose = ours((event) => this.#ended(event.code, event.reason));
    // A close follows at once, and says as much as may be known. With undici 6 (in Node 22) none does when there was no connection.
    socket.onerror = ours((event) => this.#setTimer(0, () => this.#ended(1006, event.message)));
  }

  #received(text) {
    this.#heardAt = this.#options.clock.now();
    this.#pinged = false;
    let name;
    let body;
    try {
      [[name, body]] = Object.entries(JSON.parse(text));
    } catch {
      return this.#failed(new CarillonError('malformed', `${this.address} sent what is no Carillon message`));
    }
    if (name === 'ping') return void this.send({ pong: {} });
    if (name === 'pong') return;
    if (name === 'error') return void (this.#said = CarillonError.of(body));
    if (name === 'welcome' && this.state === 'connecting') return this.#welcomed(body);
    if (this.state === 'open') this.#options.received(name, body, text);
  }

  #welcomed(welcome) {
    this.#limits = welcome;
    this.#refusals = 0;
    this.#openedAt = this.#options.clock.now();
    this.#become('open', { address: this.address, welcome });
    if (this.state !== 'open') return; // Whoever was told has closed us.
    this.#scheduleBeat();
    this.#options.opened(welcome);
  }

  get #beatMs() {
    return this.#options.pingMs ?? this.#limits.ping_every_ms ?? 15_000;
  }

  #scheduleBeat(ms = this.#beatMs) {
    this.#setTimer(ms, () => this.#beat(false));
  }

  // Asks whether anybody is there when nothing came since the last beat; gives up when nothing came since it was asked.
  #beat(ask) {
    const silentMs = this.#options.clock.now() - this.#heardAt;
    if (this.#pinged && !ask) {
      return this.#failed(new CarillonError('timeout', `${this.address} has been silent for ${Math.round(silentMs)} ms`));
    }
    if (ask || silentMs >= this.#beatMs / 2) {
      this.#pinged = true;
      this.send({ ping: {} });
    }
    this.#scheduleBeat(ask ? Math.min(this.#beatMs, ANSWER_WHEN_ASKED_MS) : undefined);
  }

  // The socket was closed, by the other side or by the network.
  #ended(code, reason) {
    const [name, message] = CLOSE_CODES[code] ?? ['unavailable', `the connection to ${this.address} was lost (${code})`];
    const error = this.#said ?? new CarillonError(name, reason ? `${message}: ${reason}` : message);
    if (code === 4401 && this.state === 'connecting') return this.#tokenRefused(error);
    if (code === 4400 || code === 4403 || (code === 4401 && !this.#options.canRenew)) return this.close(error);
    this.#failed(error, code);
  }

  // Another one may do, of a key that this gateway has not read yet, or from an application that had an old one in its hands;
  // but one that keeps giving what is refused is told so.
  #tokenRefused(error) {
    const { canRenew, tokenRefusalsMax, tokenRefused } = this.#options;
    this.#refusals += 1;
    tokenRefused(error);
    if (this.state !== 'connecting') return; // Whoever was told has closed us.
    if (canRenew && this.#refusals < tokenRefusalsMax) return this.#failed(error, 4401);
    if (!canRenew) return this.close(error);
    this.close(new CarillonError('unauthenticated', `${this.#refusals} tokens in a row were refused: ${error.message}`, { cause: error }));
  }

  #failed(error, code) {
    if (this.state === 'closed') return; // For good.
    const { backoff, clock } = this.#options;
    const wasOpen = this.state === 'open';
    const limited = code === LIMIT_EXCEEDED;
    this.#sentAway = limited;
    const lived = wasOpen && clock.now() - this.#openedAt >= LIFE_THAT_COUNTS_MS;
    if (lived && !limited) backoff.reset();
    const leastMs = limited ? Math.max(error.retryAfterMs ?? 0, PAUSE_AFTER_LIMIT_MS) : 0;
    const pauseMs = lived && code === 1001 ? 0 : backoff.next(leastMs);
    this.#drop(1000);
    this.#address = (this.#address + 1) % this.#options.addresses.length;
    this.#become('waiting', { error, retryInMs: pauseMs });
    if (wasOpen) this.#options.lost();
    if (this.state === 'waiting') this.#setTimer(pauseMs, () => this.#connect());
  }

  #drop(code) {
    this.#clearTimer();
    this.#attempts += 1;
    const socket = this.#socket;
    this.#socket = null;
    this.#pinged = false;
    try {
      socket?.close(code);
    } catch {
      // It was not open yet, or is no longer: all the same.
    }
  }

  // Whoever is told may close us meanwhile: look at the state again.
  #become(state, detail) {
    this.state = state;
    this.#options.changed(state, detail);
  }

  #setTimer(ms, action) {
    this.#clearTimer();
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = null;
      action();
    }, ms);
  }

  #clearTimer() {
    if (this.#timer !== null) this.#options.clock.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
