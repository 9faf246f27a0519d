// The whole client against the protocol page as a small gateway (support/model_gateway.js), over real sockets.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import WebSocket from 'ws';

import { CarillonError, connect } from '../index.js';
import { MemoryStorage } from '../lib/ledger.js';
import { ModelGateway } from './support/model_gateway.js';
import { eventually } from './support/eventually.js';

let gateway;
let clients;
beforeEach(async () => {
  gateway = await new ModelGateway().start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) await client.close();
  await gateway.kill();
});

function client(options = {}) {
  const it = connect({ addresses: gateway.address, WebSocket, reconnectFirstMs: 5, reconnectLongestMs: 20, ...options });
  clients.push(it);
  return it;
}
const open = (it) => eventually(() => it.state === 'open', 'open');
const numbers = (entity) => gateway.payloads(entity).map((payload) => payload.n);
const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);
const token = (sub) => `e30.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.c2ln`;
async function read(stream, count) {
  const events = [];
  while (events.length < count) events.push((await stream.next()).value);
  return events;
}

test('P1 publish resolves when the event is stored, with its identity', async () => {
  const it = client();
  const published = await it.publish('hunt/island', 'dug', { n: 1 });
  assert.deepEqual(numbers('hunt/island'), [1]);
  assert.match(published.producer, /^js-[0-9a-f]{16}$/);
  assert.equal(published.sequence, 1);
  assert.equal(it.unconfirmed, 0);
});

test('P3 what is published at once travels together and stays in order', async () => {
  const it = client();
  await open(it);
  await Promise.all(upTo(600).map((n) => it.publish('hunt/island', 'dug', { n })));
  assert.deepEqual(numbers('hunt/island'), upTo(600));
  assert.ok(gateway.messages.filter(([name]) => name === 'publish').length <= 4);
});

test('one counter numbers the events to all entities, for the server keeps one window for those of a partition', async () => {
  const it = client();
  await it.publish('hunt/island', 'dug', { n: 1 });
  await it.publish('hunt/sea', 'dug', { n: 1 });
  assert.deepEqual([...gateway.windows.values()].map((window) => [...window]), [[1, 2]]);
});

test('P9 the producer is the one of the token, and a foreign one ends the client', async () => {
  gateway.script.welcome = { subject: 'ana' };
  const it = client({ token: async () => token('ana') });
  assert.match((await it.publish('hunt/island', 'dug')).producer, /^ana\/js-/);
  let who = 'ana';
  const changing = client({ token: async () => token(who) });
  await open(changing);
  who = 'bo';
  gateway.script.welcome = { subject: 'bo' };
  gateway.dropConnections();
  await eventually(() => changing.state === 'closed', 'closed');
  await assert.rejects(changing.publish('hunt/island', 'dug'), { code: 'closed' });
});

test('a trace goes along with its event, also through a reload, and comes with what is followed', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const storage = new MemoryStorage();
  // Given an event of a trace, one without, and one with something else, that a page could not send.
  await gateway.kill();
  const before = client({ storage });
  for (const options of [{ traceparent }, undefined, { traceparent: 'odd' }]) {
    before.publish('player/bo', 'hello', {}, options).catch(() => {});
  }
  await eventually(() => storage.length === 4, 'kept');
  await before.close();
  // When the next page sends them, then who follows sees the trace of the first one.
  await gateway.start();
  const after = client({ storage });
  const traces = (await read(after.follow('player/bo'), 3)).map((event) => event.traceparent);
  assert.deepEqual(traces, [traceparent, undefined, undefined]);
});

test('P3 after overloaded nothing overtakes, and all arrive', async () => {
  const it = client();
  await open(it);
  let refusals = 0;
  gateway.script.accept = ({ sequence }) => {
    if (sequence % 50 !== 7 || (refusals += 1) % 3 === 0) return null;
    return { error: refusals % 2 ? 'overloaded' : 'unavailable', message: 'later', retry_after_ms: 2 };
  };
  await Promise.all(upTo(400).map((n) => it.publish('hunt/island', 'dug', { n })));
  assert.deepEqual(numbers('hunt/island'), upTo(400));
  assert.ok(refusals > 8);
});

test('what no repetition can mend rejects, and what follows goes on', async () => {
  const it = client();
  gateway.script.accept = ({ type }) => (type === 'odd' ? { error: 'unknown_type', message: 'no handler' } : null);
  const good = it.publish('hunt/island', 'dug', { n: 1 });
  const bad = it.publish('hunt/island', 'odd', { n: 2 });
  const behind = it.publish('hunt/island', 'dug', { n: 3 });
  await assert.rejects(bad, (error) => error instanceof CarillonError && error.code === 'unknown_type');
  await Promise.all([good, behind]);
  assert.deepEqual(numbers('hunt/island'), [1, 3]);
});

test('P2 answers that are lost are got by sending again', async () => {
  const it = client();
  await open(it);
  gateway.script.answers = false;
  const published = Promise.all(upTo(20).map((n) => it.publish('hunt/island', 'dug', { n })));
  await eventually(() => numbers('hunt/island').length === 20, 'stored');
  gateway.script.answers = true;
  gateway.dropConnections();
  await published;
  assert.deepEqual(numbers('hunt/island'), upTo(20));
});

test('an event that no message can carry is refused, not sent', async () => {
  const it = client();
  const large = it.publish('hunt/island', 'dug', { text: 'x'.repeat(1_048_000) });
  await assert.rejects(large, { code: 'payload_too_large' });
  await it.publish('hunt/island', 'dug', { n: 1 });
  assert.equal(gateway.connections, 1);
});

test('P7 the queue is bounded in events and in bytes', async () => {
  await gateway.kill();
  const it = client({ queueEventsMax: 3, queueBytesMax: 10_000 });
  const kept = [it.publish('hunt/island', 'dug', { n: 1 }), it.publish('hunt/island', 'dug', { n: 2 })];
  await assert.rejects(it.publish('hunt/island', 'dug', { text: 'x'.repeat(9_900) }), { code: 'limit_exceeded' });
  // For one that fits into no queue of this size it is no use to wait.
  await assert.rejects(it.publish('hunt/island', 'dug', { text: 'x'.repeat(10_000) }), { code: 'payload_too_large', passes: false });
  kept.push(it.publish('hunt/island', 'dug', { n: 3 }));
  await assert.rejects(it.publish('hunt/island', 'dug', { n: 4 }), { code: 'limit_exceeded' });
  assert.equal(it.unconfirmed, 3);
  await gateway.start();
  await Promise.all(kept);
  assert.deepEqual(numbers('hunt/island'), [1, 2, 3]);
});

test('P2 what a page left unconfirmed is sent by the next one, before anything new', async () => {
  const storage = new MemoryStorage();
  const before = client({ storage });
  await open(before);
  gateway.script.answers = false;
  const unconfirmed = upTo(5).map((n) => before.publish('hunt/island', 'dug', { n }));
  await eventually(() => numbers('hunt/island').length === 5, 'stored, though nobody was told');
  await before.close();
  for (const one of unconfirmed) await assert.rejects(one, { code: 'closed' });
  gateway.script.answers = true;

  const after = client({ storage });
  await after.publish('hunt/island', 'dug', { n: 6 });
  await after.flush();
  assert.deepEqual(numbers('hunt/island'), upTo(6));
  assert.deepEqual([...gateway.windows.values()].map((seen) => [...seen]), [upTo(5), [1]], 'what is new has a name of its own');
});

test('P3 what several pages left is sent in the order in which they published it', async () => {
  const storage = new MemoryStorage();
  await gateway.kill();
  for (const n of [1, 3, 5]) {
    const page = client({ storage });
    const left = [n, n + 1].map((number) => assert.rejects(page.publish('hunt/island', 'dug', { n: number }), { code: 'closed' }));
    await eventually(() => storage.length === n + 2, 'kept');
    await page.close();
    await Promise.all(left);
  }
  let refusals = 0;
  gateway.script.accept = () => ((refusals += 1) % 3 === 0 ? null : { error: 'overloaded', message: 'later', retry_after_ms: 2 });
  await gateway.start();
  await client({ storage }).publish('hunt/island', 'dug', { n: 7 });
  assert.deepEqual(numbers('hunt/island'), upTo(7));
});

// What a browser had written to disk when it, or the machine, went down.
function copyOf(storage) {
  const copy = new MemoryStorage();
  for (let index = 0; index < storage.length; index += 1) copy.setItem(storage.key(index), storage.getItem(storage.key(index)));
  return copy;
}

test('P1 P2 a storage that a crash has set back costs no event of the next page, and doubles none', async () => {
  for (const unansweredAtLastWrite of [0, 3]) {
    const entity = `hunt/${unansweredAtLastWrite}`;
    const storage = new MemoryStorage();
    // Given a page whose storage reached the disk for the last time while it had so many events unanswered,
    const before = client({ storage });
    await before.publish(entity, 'dug', { n: 1 });
    gateway.script.answers = false;
    const unanswered = upTo(unansweredAtLastWrite).map((i) => before.publish(entity, 'dug', { n: 1 + i }));
    await eventually(() => numbers(entity).length === 1 + unansweredAtLastWrite, 'stored');
    const onDisk = copyOf(storage);
    // and that went on until all was confirmed, and then some.
    gateway.script.answers = true;
    gateway.dropConnections();
    await Promise.all(unanswered);
    while (numbers(entity).length < 10) await before.publish(entity, 'dug', { n: numbers(entity).length + 1 });
    // When the browser is killed, and the next page finds what was on the disk,
    const after = client({ storage: onDisk });
    for (const n of [11, 12, 13]) await after.publish(entity, 'dug', { n });
    // then what it was told is stored is stored.
    assert.deepEqual(numbers(entity), upTo(13));
  }
});

test('P2 a page that comes back after another one has taken over what it left loses nothing and doubles nothing', async () => {
  // Given a browser that puts a page to sleep, with an event that is stored though nobody was told, and takes its locks away.
  const storage = new MemoryStorage();
  const seenByAnother = {
    get length() {
      return storage.length;
    },
    key: (index) => storage.key(index),
    getItem: (key) => storage.getItem(key),
    setItem: (key, value) => storage.setItem(key, value),
    removeItem: (key) => storage.removeItem(key),
  };
  gateway.script.answers = false;
  const asleep = client({ storage });
  const unanswered = asleep.publish('hunt/island', 'dug', { n: 1 });
  await eventually(() => numbers('hunt/island').length === 1, 'stored');
  gateway.script.answers = true;
  // When the next page finishes for it and publishes, and then the first one comes back and publishes,
  await client({ storage: seenByAnother }).publish('hunt/island', 'dug', { n: 2 });
  gateway.dropConnections();
  await unanswered;
  await asleep.publish('hunt/island', 'dug', { n: 3 });
  // then everything is stored once.
  assert.deepEqual(numbers('hunt/island'), [1, 2, 3]);
});

test('P7 many pages that come and go leave no more in the storage than one', async () => {
  const storage = new MemoryStorage();
  for (const n of upTo(20)) {
    const page = client({ storage });
    await page.publish('hunt/island', 'dug', { n });
    await page.close();
  }
  assert.equal(storage.length, 1);
  assert.deepEqual(numbers('hunt/island'), upTo(20));
});

test('an event of an earlier page that is refused for good is told of', async () => {
  const storage = new MemoryStorage();
  await gateway.kill();
  const before = client({ storage });
  const unconfirmed = before.publish('hunt/island', 'odd', { n: 1 });
  await eventually(() => storage.length >= 2, 'kept');
  await before.close();
  await assert.rejects(unconfirmed, { code: 'closed' });
  await gateway.start();
  gateway.script.accept = () => ({ error: 'unknown_type', message: 'no handler' });
  const after = client({ storage });
  const told = [];
  after.on('refused', (refused) => told.push(refused));
  await eventually(() => told.length === 1, 'told');
  assert.equal(told[0].error.code, 'unknown_type');
  assert.deepEqual(told[0].event, { sequence: 1, entity: 'hunt/island', type: 'odd', payload: { n: 1 } });
});

test('P4 a stream goes on at the next offset, whatever happens to the connection', async () => {
  const it = client();
  await open(it);
  const stream = it.follow('player/ana');
  const reading = read(stream, 300);
  for (const n of upTo(300)) {
    gateway.append('player/ana', { type: 'found', payload: { n } });
    if (n % 60 === 0) {
      const before = gateway.connections;
      gateway.dropConnections();
      await eventually(() => gateway.connections > before, 'connected again');
    }
  }
  const events = await reading;
  assert.deepEqual(events.map((event) => event.offset), upTo(300));
  assert.deepEqual(events.map((event) => event.payload.n), upTo(300));
  assert.equal(stream.position, 301);
  assert.equal(gateway.connections, 6);
});

test('P4 from the end, and from what a device has acknowledged', async () => {
  const it = client();
  for (const n of [1, 2, 3]) gateway.append('player/ana', { type: 'found', payload: { n } });
  const fromEnd = it.follow('player/ana', { from: 'end' });
  await eventually(() => fromEnd.position === 4, 'followed');
  assert.equal(await it.acknowledge('player/ana', { device: 'phone', offset: 2 }), 2);
  assert.equal(await it.acknowledge('player/ana', { device: 'phone', offset: 1 }), 2);
  const unread = it.follow('player/ana', { from: 'acknowledged', device: 'phone' });
  assert.equal((await unread.next()).value.offset, 3);
  gateway.append('player/ana', { type: 'found', payload: { n: 4 } });
  assert.equal((await fromEnd.next()).value.offset, 4);
  assert.deepEqual(await it.positions('player/ana'), { last: 4, devices: [{ device: 'phone', offset: 2, unread: 2 }] });
});

test('P7 a slow reader holds no more than its buffer, and misses nothing', async () => {
  const it = client();
  for (const n of upTo(2_000)) gateway.append('player/ana', { type: 'found', payload: { n } });
  const stream = it.follow('player/ana', { bufferEvents: 50 });
  await eventually(() => gateway.messages.some(([name]) => name === 'unfollow'), 'unfollowed');
  const events = await read(stream, 2_000);
  assert.deepEqual(events.map((event) => event.offset), upTo(2_000));
});

test('a stream that retention has cut says so, or goes on where it can', async () => {
  const it = client();
  for (const n of upTo(5)) gateway.append('player/ana', { type: 'found', payload: { n } });
  gateway.script.firstOffsets['player/ana'] = 4;
  await assert.rejects(it.follow('player/ana').next(), { code: 'truncated', firstOffset: 4 });
  const skipping = it.follow('player/ana', { truncated: 'skip' });
  assert.equal((await skipping.next()).value.offset, 4);
});

test('leaving the loop, and a signal, end a stream', async () => {
  const it = client();
  gateway.append('player/ana', { type: 'found', payload: {} });
  for await (const event of it.follow('player/ana')) {
    assert.equal(event.offset, 1);
    break;
  }
  const unfollows = () => gateway.messages.filter(([name]) => name === 'unfollow').length;
  await eventually(() => unfollows() === 1, 'unfollowed');
  const controller = new AbortController();
  const stream = it.follow('player/ana', { from: 2, signal: controller.signal });
  const next = stream.next();
  await eventually(() => gateway.messages.filter(([name]) => name === 'follow').length === 2, 'followed');
  controller.abort(new Error('enough'));
  await assert.rejects(next, /enough/);
  await eventually(() => unfollows() === 2, 'unfollowed');
});

test('close ends what waits: streams well, publishes and questions with an error', async () => {
  gateway.script.answers = false;
  const it = client();
  await open(it);
  const next = it.follow('player/ana').next();
  const published = it.publish('hunt/island', 'dug');
  const flushed = it.flush();
  await it.close();
  assert.deepEqual(await next, { value: undefined, done: true });
  await assert.rejects(published, { code: 'closed' });
  await assert.rejects(flushed, { code: 'closed' });
  await assert.rejects(it.positions('player/ana'), { code: 'closed' });
  assert.throws(() => it.follow('player/ana'), { code: 'closed' });
});

test('questions are asked again on the next connection', async () => {
  const it = client();
  await open(it);
  const answer = ModelGateway.prototype.on_positions;
  gateway.on_positions = () => {}; // Hears it, and dies.
  const positions = it.positions('player/ana');
  await eventually(() => gateway.messages.some(([name]) => name === 'positions'), 'asked');
  gateway.on_positions = answer;
  gateway.dropConnections();
  assert.deepEqual(await positions, { last: 0, devices: [] });
});

test('P9 a token that expires is renewed on the open connection', async () => {
  gateway.script.welcome = { subject: 'ana' };
  let asked = 0;
  const it = client({ token: async () => ((asked += 1), token('ana')) });
  await open(it);
  gateway.say({ expiring: { expires_at: '2026-11-25T10:00:00.000Z' } });
  await eventually(() => gateway.messages.some(([name]) => name === 'authenticate'), 'renewed');
  assert.equal(asked, 2);
  assert.equal(gateway.connections, 1);
});

test('P7 P9 a token that is about to expire when it is new is not renewed again and again', async () => {
  gateway.script.welcome = { subject: 'ana' };
  const expiring = { expiring: { expires_at: '2026-11-25T10:00:00.000Z' } };
  const answer = gateway.on_authenticate;
  gateway.on_authenticate = (socket, body) => {
    answer.call(gateway, socket, body);
    socket.answer(expiring); // As a gateway does when less than a minute is left.
  };
  let now = 0;
  const waiting = [];
  const clock = {
    now: () => now,
    setTimeout: (action, ms) => (ms === 5_000 ? waiting.push(action) : setTimeout(action, ms)),
    clearTimeout: (timer) => clearTimeout(timer),
  };
  let asked = 0;
  const it = client({ token: async () => ((asked += 1), token('ana')), clock });
  await open(it);
  gateway.say(expiring);
  await eventually(() => waiting.length === 1, 'the next renewal waits');
  assert.equal(asked, 2);
  now += 5_000;
  waiting.pop()();
  await eventually(() => waiting.length === 1, 'the one after it waits');
  assert.equal(asked, 3);
  assert.equal(gateway.messages.filter(([name]) => name === 'authenticate').length, 2);
  assert.equal(gateway.connections, 1);
});

test('P9 a renewal that is refused is told with its reason, again every few seconds, until one is taken', async () => {
  const expires_at = '2026-11-25T10:00:00.000Z';
  gateway.script.welcome = { subject: 'ana', expires_at };
  const answers = [
    (id) => ({ refused: { id, error: 'unauthenticated', message: 'wrong key' } }),
    (id) => ({ refused: { id, error: 'forbidden', message: 'another subject' } }),
    (id) => ({ authenticated: { id, subject: 'ana', expires_at: '2026-11-25T11:00:00.000Z' } }),
  ];
  gateway.on_authenticate = (socket, { id }) => socket.answer(answers.shift()(id));
  let now = 0;
  const waiting = [];
  const clock = {
    now: () => now,
    setTimeout: (action, ms) => (ms === 5_000 ? waiting.push(action) : setTimeout(action, ms)),
    clearTimeout: (timer) => clearTimeout(timer),
  };
  // Given a login server that is out of order for once, and then gives tokens that the gateway does not take,
  const lost = new Error('the login server is down');
  const given = [async () => token('ana'), () => Promise.reject(lost), async () => token('ana')];
  const it = client({ token: () => (given.length > 1 ? given.shift() : given[0])(), clock });
  const refused = [];
  const states = [];
  it.on('token_refused', ({ error, expiresAt }) => refused.push([error, expiresAt]));
  await open(it);
  it.on('state', ({ state }) => states.push(state));
  // when the gateway warns,
  gateway.say({ expiring: { expires_at } });
  for (const count of [1, 2, 3]) {
    await eventually(() => refused.length === count && waiting.length === 1, `refusal ${count}`);
    now += 5_000;
    waiting.pop()();
  }
  await eventually(() => answers.length === 0, 'the last one is taken');
  // then the application hears of each, and the connection goes on.
  assert.deepEqual(refused.map(([error]) => [error.code, error.message]), [
    ['unauthenticated', 'no token could be had: the login server is down'],
    ['unauthenticated', 'wrong key'],
    ['forbidden', 'another subject'],
  ]);
  assert.equal(refused[0][0].cause, lost);
  assert.ok(refused.every(([error, expiresAt]) => error instanceof CarillonError && expiresAt === expires_at));
  await it.publish('hunt/island', 'dug', { n: 1 });
  assert.deepEqual(waiting, []);
  assert.deepEqual(states, []);
  assert.equal(gateway.connections, 1);
});

test('with several gateways, the next one takes over from one that is gone', async () => {
  const other = await new ModelGateway().start();
  try {
    const states = [];
    const it = client({ addresses: [gateway.address, other.address], random: () => 0 });
    it.on('state', ({ state, address }) => states.push(address ? `${state} ${address}` : state));
    await it.publish('hunt/island', 'dug', { n: 1 });
    await gateway.kill();
    await it.publish('hunt/island', 'dug', { n: 2 });
    assert.deepEqual(other.payloads('hunt/island'), [{ n: 2 }]);
    assert.deepEqual(states, [
      `open ${gateway.address}`,
      'waiting',
      `connecting ${other.address}`,
      `open ${other.address}`,
    ]);
    await it.close();
    await gateway.start();
  } finally {
    await other.kill();
  }
});

test('a gateway that gets nothing done is left for another', async () => {
  const other = await new ModelGateway().start();
  try {
    gateway.script.accept = () => ({ error: 'unavailable', message: 'cut off', retry_after_ms: 50 });
    let hurried = 0; // Minutes pass, as far as the client can see, with each look at the clock.
    const clock = {
      now: () => performance.now() + (hurried += 500),
      setTimeout: (action, ms) => setTimeout(action, ms),
      clearTimeout: (timer) => clearTimeout(timer),
    };
    const it = client({ addresses: [gateway.address, other.address], random: () => 0, clock });
    await it.publish('hunt/island', 'dug', { n: 1 });
    assert.deepEqual(other.payloads('hunt/island'), [{ n: 1 }]);
  } finally {
    await other.kill();
  }
});

test('options that are of no use are refused at once', () => {
  const useless = [undefined, {}, { addresses: [] }, { addresses: 'http://a' }, { addresses: ['ws://a/ws'], WebSocket: null }];
  const { WebSocket: own } = globalThis;
  delete globalThis.WebSocket;
  try {
    for (const options of useless) assert.throws(() => connect(options), { code: 'malformed' });
  } finally {
    if (own) globalThis.WebSocket = own;
  }
});

test('a page that is looked at again asks at once whether anybody is there', async () => {
  // Given a page, whose connection is open and quiet.
  const listeners = {};
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener);
  globalThis.removeEventListener = (name) => delete listeners[name];
  globalThis.document = { visibilityState: 'hidden' };
  try {
    const it = client();
    await open(it);
    const pings = () => gateway.messages.filter(([name]) => name === 'ping').length;
    // When it is hidden, then nothing is asked; when it is shown again, or comes back from a browser's cache, it is.
    listeners.visibilitychange();
    globalThis.document.visibilityState = 'visible';
    listeners.visibilitychange();
    await eventually(() => pings() > 0, 'a ping');
    listeners.pageshow();
    await eventually(() => pings() > 1, 'another one');
    assert.equal(pings(), 2);
    await it.close();
    assert.deepEqual(listeners, {});
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    delete globalThis.document;
  }
});
