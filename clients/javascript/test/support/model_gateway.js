// The protocol page as a small gateway in memory, for tests of the client: with mailboxes, windows, positions and the order of
// what was refused. It can go away and come back, keeping what it has answered; `script` lets it refuse.

import { WebSocketServer } from 'ws';

export class ModelGateway {
  mailboxes = new Map(); // Entity: its events.
  windows = new Map(); // Producer: the sequences that were seen.
  positions = new Map(); // Entity: device: offset.
  connections = 0; // So far.
  messages = []; // That came, [name, body].
  sockets = new Set();
  // accept(event, producer): an error's members, or nothing; welcome: more members of it.
  script = { accept: () => null, welcome: {}, firstOffsets: {} };
  #server = null;
  #port = 0;

  get address() {
    return `ws://127.0.0.1:${this.#port}/ws`;
  }

  async start() {
    this.#server = new WebSocketServer({
      host: '127.0.0.1',
      port: this.#port,
      handleProtocols: (protocols) => (protocols.has('carillon.v1') ? 'carillon.v1' : false),
    });
    this.#server.on('connection', (socket, request) => this.#welcome(socket, request));
    await new Promise((resolve, reject) => this.#server.once('listening', resolve).once('error', reject));
    this.#port = this.#server.address().port;
    return this;
  }

  // Everything under way is lost.
  async kill() {
    for (const socket of this.sockets) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  dropConnections() {
    for (const socket of this.sockets) socket.terminate();
  }

  say(message) {
    for (const socket of this.sockets) socket.send(JSON.stringify(message));
  }

  // Events that a hub notifies of.
  append(entity, event) {
    const mailbox = this.#mailbox(entity);
    mailbox.push({ producer: 'hub test/1', sequence: mailbox.length + 1, accepted_at: '2026-11-25T09:00:00.123Z', ...event });
    for (const socket of this.sockets) socket.feed();
  }

  payloads(entity) {
    return this.#mailbox(entity).map((event) => event.payload);
  }

  #mailbox(entity) {
    if (!this.mailboxes.has(entity)) this.mailboxes.set(entity, []);
    return this.mailboxes.get(entity);
  }

  #welcome(socket, request) {
    this.connections += 1;
    this.sockets.add(socket);
    socket.protocolsOffered = request.headers['sec-websocket-protocol'];
    socket.follows = new Map();
    socket.refused = new Map(); // Producer: the first refused sequence.
    socket.answer = (message) => socket.send(JSON.stringify(message));
    socket.feed = () => this.#feed(socket);
    socket.on('close', () => this.sockets.delete(socket));
    socket.on('message', (data) => {
      const [[name, body]] = Object.entries(JSON.parse(data));
      this.messages.push([name, body]);
      this[`on_${name}`]?.(socket, body);
      this.#feed(socket);
    });
    const welcome = { version: 'model', ping_every_ms: 15_000, idle_timeout_ms: 45_000, payload_bytes_max: 65_536 };
    socket.answer({
      welcome: { ...welcome, batch_events_max: 1_000, message_bytes_max: 1_048_576, follows_max: 1_000, ...this.script.welcome },
    });
  }

  on_publish(socket, { id, producer, events }) {
    const refusals = [];
    let accepted = 0;
    let duplicates = 0;
    if (!this.windows.has(producer)) this.windows.set(producer, new Set());
    const window = this.windows.get(producer);
    events.forEach(({ sequence, entity, type, payload, traceparent }, index) => {
      const first = socket.refused.get(producer) ?? Infinity;
      if (sequence === first) socket.refused.delete(producer);
      const error =
        sequence > first
          ? { error: 'overloaded', message: 'an earlier event must come first', retry_after_ms: 5 }
          : this.script.accept({ sequence, entity, type, payload }, producer);
      if (error) {
        if (['overloaded', 'unavailable'].includes(error.error)) {
          socket.refused.set(producer, Math.min(sequence, socket.refused.get(producer) ?? Infinity));
        }
        refusals.push({ index, ...error });
      } else if (window.has(sequence) || sequence <= Math.max(...window, 0) - 1_024) {
        duplicates += 1;
      } else {
        window.add(sequence);
        accepted += 1;
        this.append(entity, { type, payload, producer, sequence, traceparent });
      }
    });
    if (this.script.answers !== false) socket.answer({ published: { id, accepted, duplicates, refusals } });
  }

  on_follow(socket, { id, entity, from, device }) {
    const last = this.#mailbox(entity).length;
    const first = this.script.firstOffsets[entity] ?? 1;
    let next = from;
    if (from === 'end') next = last + 1;
    if (from === 'acknowledged') next = Math.max(first, (this.positions.get(entity)?.get(device) ?? 0) + 1);
    if (next < first) {
      return socket.answer({ ended: { id, error: 'truncated', message: 'retention dropped it', first_offset: first } });
    }
    socket.answer({ following: { id, next, last } });
    socket.follows.set(id, { entity, next });
  }

  on_unfollow(socket, { id }) {
    socket.follows.delete(id);
    socket.answer({ unfollowed: { id } });
  }

  on_acknowledge(socket, { id, entity, device, offset }) {
    if (!this.positions.has(entity)) this.positions.set(entity, new Map());
    const devices = this.positions.get(entity);
    devices.set(device, Math.max(offset, devices.get(device) ?? 0));
    socket.answer({ acknowledged: { id, entity, device, offset: devices.get(device) } });
  }

  on_positions(socket, { id, entity }) {
    const last = this.#mailbox(entity).length;
    const devices = [...(this.positions.get(entity) ?? [])].map(([device, offset]) => ({ device, offset, unread: last - offset }));
    socket.answer({ positions_are: { id, entity, last, devices } });
  }

  on_authenticate(socket, { id }) {
    socket.answer({ authenticated: { id, subject: this.script.welcome.subject, expires_at: '2026-11-25T11:00:00.000Z' } });
  }

  on_ping(socket) {
    socket.answer({ pong: {} });
  }

  // At most a hundred events a message, as fast as they go.
  #feed(socket) {
    for (const [id, follow] of socket.follows) {
      const mailbox = this.#mailbox(follow.entity);
      while (follow.next <= mailbox.length) {
        const events = mailbox.slice(follow.next - 1, follow.next + 99);
        socket.answer({ events: { id, first: follow.next, events } });
        follow.next += events.length;
      }
    }
  }
}
