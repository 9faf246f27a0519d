// The whole client where the order of a moment's steps decides: over sockets and a clock that the test moves.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { connect } from '../index.js';
import { MemoryStorage } from '../lib/ledger.js';
import { FakeClock, settle } from './support/fake_clock.js';
import { fakeSockets } from './support/fake_socket.js';

const RECONNECT_MS = 1_000;

let clock;
let net;
beforeEach(() => {
  clock = new FakeClock();
  net = fakeSockets();
});

// Open, at the second of two gateways.
async function client(options = {}) {
  const carillon = connect({
    addresses: ['ws://a/ws', 'ws://b/ws'],
    WebSocket: net.FakeSocket,
    clock,
    random: () => 0.5, // No jitter.
    reconnectFirstMs: RECONNECT_MS,
    ...options,
  });
  await opens();
  return carillon;
}
async function opens() {
  await settle();
  net.last().welcomes();
  await settle();
}

// What the gateway got on its last connection: the sequences of each call.
const calls = () => net.last().requests('publish').map(({ events }) => events.map((event) => event.sequence));

// The gateway answers its last publish request: everything accepted, but what is in `refusals`.
async function answers(refusals = []) {
  net.last().says({ published: { id: net.last().requests('publish').at(-1).id, refusals } });
  await settle();
}
const later = (retry_after_ms, index = 0) => ({ index, error: 'unavailable', message: 'cut off', retry_after_ms });

// A gateway that gets nothing done is left while it has one event to publish, that it wants again after `retryAfterMs`.
async function leavesWithOneEvent(carillon, retryAfterMs) {
  const published = carillon.publish('hunt/island', 'dug', { n: 1 });
  while (carillon.state === 'open') {
    await settle();
    await answers([later(retryAfterMs)]);
    if (carillon.state === 'open') await clock.advance(retryAfterMs);
  }
  return { published, left: net.last() };
}

test('P3 what waited to be sent again when its gateway was left is the first to be sent to the next one', async () => {
  const carillon = await client();
  const { published, left } = await leavesWithOneEvent(carillon, RECONNECT_MS / 2);
  // When another event is published behind it, after the time when it would have been sent again,
  await clock.advance(RECONNECT_MS * 0.75);
  const behind = carillon.publish('hunt/island', 'dug', { n: 2 });
  await clock.advance(RECONNECT_MS * 0.25);
  assert.notEqual(net.last(), left);
  await opens();
  // then both are sent, in order, and settled.
  assert.deepEqual(calls(), [[1, 2]]);
  const flushed = carillon.flush();
  await answers();
  assert.deepEqual((await Promise.all([published, behind])).map(({ sequence }) => sequence), [1, 2]);
  await flushed;
  assert.equal(carillon.unconfirmed, 0);
  await carillon.close();
});

test('P2 what waited to be sent again when its gateway was left is sent once to the next one, and settled once', async () => {
  const carillon = await client();
  const { published } = await leavesWithOneEvent(carillon, RECONNECT_MS * 2);
  await clock.advance(RECONNECT_MS);
  await opens();
  await clock.advance(RECONNECT_MS * 2);
  const behind = carillon.publish('hunt/island', 'dug', { n: 2 });
  await settle();
  assert.deepEqual(calls(), [[1], [2]]);
  for (const { id } of net.last().requests('publish')) net.last().says({ published: { id } });
  await Promise.all([published, behind]);
  assert.equal(carillon.unconfirmed, 0);
  await carillon.close();
});

test('whoever closes when told of a refused event leaves nothing that waits, though another was to be sent again', async () => {
  const storage = new MemoryStorage();
  const before = await client({ storage });
  const left = [1, 2].map((n) => assert.rejects(before.publish('hunt/island', 'dug', { n }), { code: 'closed' }));
  await before.close();
  await Promise.all(left);

  const after = await client({ storage });
  after.on('refused', () => after.close());
  assert.deepEqual(calls(), [[1, 2]]);
  await answers([{ index: 0, error: 'unknown_type', message: 'no handler' }, later(50, 1)]);
  assert.equal(after.state, 'closed');
  assert.equal(clock.pending, 0);
});

test('P3 what is new waits until the last event of an earlier page is settled, also while that one is to be sent again', async () => {
  // Given what a page left.
  const storage = new MemoryStorage();
  const before = await client({ storage });
  const left = [1, 2].map((n) => assert.rejects(before.publish('hunt/island', 'dug', { n }), { code: 'closed' }));
  await before.close();
  await Promise.all(left);
  // When the next one publishes, and one of the old events is put off,
  const after = await client({ storage });
  const published = after.publish('hunt/island', 'dug', { n: 3 });
  const producers = () => net.last().requests('publish').map(({ producer }) => producer);
  await settle();
  assert.deepEqual(calls(), [[1, 2]]);
  await answers([later(50, 1)]);
  await clock.advance(50);
  assert.deepEqual(calls(), [[1, 2], [2]]);
  // then the new one goes out when that one is settled, and under another name.
  await answers();
  assert.deepEqual(calls(), [[1, 2], [2], [1]]);
  const [old, again, own] = producers();
  assert.equal(again, old);
  assert.notEqual(own, old);
  await answers();
  assert.deepEqual(await published, { producer: own, sequence: 1 });
  assert.equal(after.unconfirmed, 0);
  await after.close();
});

// Two clients, one of which goes with an event that is not confirmed: the other one.
async function abandoned(storage, options = {}) {
  const others = await client({ storage });
  const mine = await client({ storage, ...options });
  const lost = assert.rejects(others.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  await others.close();
  await lost;
  return mine;
}

test('P2 what a client that is gone left is finished by another that lives', async () => {
  // Given two clients, one of which goes with an event that is not confirmed.
  const storage = new MemoryStorage();
  const mine = await abandoned(storage);
  // When the other one has found it abandoned twice,
  await clock.advance(10_000);
  assert.deepEqual(calls(), []);
  await clock.advance(10_000);
  // then it sends it, and nothing is left of it when it is confirmed.
  assert.deepEqual(calls(), [[1]]);
  assert.equal(mine.unconfirmed, 1);
  await answers();
  assert.equal(mine.unconfirmed, 0);
  assert.equal(storage.length, 1);
  await mine.close();
});

test('whoever is told that the client is closed finds it closed', async () => {
  const carillon = await client();
  const tried = [];
  carillon.on('state', () => {
    tried.push(carillon.publish('hunt/island', 'dug'), carillon.positions('player/ana'), carillon.flush());
    assert.throws(() => carillon.follow('player/ana'), { code: 'closed' });
  });
  await carillon.close();
  assert.equal(tried.length, 3);
  for (const one of tried) await assert.rejects(one, { code: 'closed' });
});

test('whoever closes when told of a refused renewal leaves nothing that waits', async () => {
  const token = async () => 'opaque';
  const carillon = await client({ token });
  net.last().says({ expiring: { expires_at: '2026-11-25T10:00:00.000Z' } });
  await settle();
  carillon.on('token_refused', () => carillon.close());
  const [{ id }] = net.last().requests('authenticate');
  net.last().says({ refused: { id, error: 'unauthenticated', message: 'wrong key' } });
  assert.equal(carillon.state, 'closed');
  assert.equal(clock.pending, 0);
});

const tokenOf = (claims) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;

for (const [what, bad] of Object.entries({
  none: undefined,
  'an empty one': '',
  'one that is no JWT': 'opaque',
  'one without a subject': tokenOf({}),
  'one that cannot be sent': 'a login page, not a token',
})) {
  test(`P1 P9 a first token that is refused, ${what}, is made good by the next one`, async () => {
    // Given what a page of Ana's left,
    const storage = new MemoryStorage();
    const before = await client({ storage, user: 'ana' });
    const left = assert.rejects(before.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
    await before.close();
    await left;
    // and one whose first token is of no use.
    const given = [bad, tokenOf({ sub: 'ana' })];
    const refused = [];
    const after = connect({
      addresses: 'ws://a/ws',
      WebSocket: net.FakeSocket,
      clock,
      random: () => 0.5,
      reconnectFirstMs: RECONNECT_MS,
      storage,
      token: async () => given.shift(),
    });
    after.on('token_refused', ({ error }) => refused.push(error.code));
    const published = after.publish('hunt/island', 'dug', { n: 2 });
    await settle();
    if (net.last().closedWith === null) net.last().ends(4401);
    assert.deepEqual([refused, after.state], [['unauthenticated'], 'waiting']);
    // When the next one is good,
    await clock.advance(RECONNECT_MS);
    net.last().welcomes({ subject: 'ana' });
    await settle();
    // then both events are sent, as Ana's.
    await answers();
    await answers();
    assert.match((await published).producer, /^ana\//);
    assert.deepEqual(net.last().requests('publish').map(({ events: [{ payload }] }) => payload.n), [1, 2]);
    assert.equal(after.unconfirmed, 0);
    await after.close();
  });
}

test('P9 with a token that does not say whose it is, the gateway says whose events these are', async () => {
  for (const [welcome, producer] of [[{ subject: 'ana' }, /^ana\/js-/], [{}, /^js-/]]) {
    const carillon = connect({ addresses: 'ws://a/ws', WebSocket: net.FakeSocket, clock, token: async () => 'opaque' });
    const published = carillon.publish('hunt/island', 'dug', { n: 1 });
    await settle();
    net.last().welcomes(welcome);
    await settle();
    await answers();
    assert.match((await published).producer, producer);
    await carillon.close();
  }
});

test('P9 a renewal for which no token was given is told, and the connection goes on', async () => {
  const given = [tokenOf({ sub: 'ana' }), undefined, tokenOf({ sub: 'ana' })];
  const carillon = await client({ token: async () => given.shift() });
  const refused = [];
  carillon.on('token_refused', ({ error }) => refused.push(error.code));
  net.last().says({ expiring: { expires_at: '2026-11-25T10:00:00.000Z' } });
  await settle();
  assert.deepEqual(net.last().requests('authenticate'), []);
  assert.deepEqual([refused, carillon.state], [['unauthenticated'], 'open']);
  await clock.advance(5_000);
  assert.equal(net.last().requests('authenticate').length, 1);
  await carillon.close();
});

test('P7 what is asked again after a pause is asked once on each connection, and again when the pause of that one is over', async () => {
  const [reconnectMs, retryMs] = [10, 2_000];
  const carillon = await client({ reconnectFirstMs: reconnectMs, reconnectLongestMs: reconnectMs });
  const names = ['positions', 'follow'];
  const asked = () => names.map((name) => net.last().requests(name).length);
  async function refuse() {
    const asking = names.flatMap((name) => net.last().requests(name));
    for (const { id } of asking) {
      net.last().says({ refused: { id, error: 'unavailable', message: 'cut off', retry_after_ms: retryMs } });
    }
    await settle();
  }
  const positions = assert.rejects(carillon.positions('player/ana'), { code: 'closed' });
  carillon.follow('player/ana');
  for (let i = 0; i < 3; i += 1) {
    await refuse();
    net.last().ends(1006);
    await clock.advance(reconnectMs);
    await opens();
    assert.deepEqual(asked(), [1, 1]);
  }
  await refuse();
  await clock.advance(retryMs - 1);
  assert.deepEqual(asked(), [1, 1]);
  await clock.advance(1);
  assert.deepEqual(asked(), [2, 2]);
  await carillon.close();
  await positions;
});

test('flush() ends also when the storage keeps nothing of what waited for a producer', async () => {
  const storage = new MemoryStorage();
  const { setItem } = storage;
  storage.setItem = (key, value) => {
    if (value.includes('"entity"')) throw new Error('full');
    setItem.call(storage, key, value);
  };
  const carillon = connect({ addresses: 'ws://a/ws', WebSocket: net.FakeSocket, clock, storage });
  const published = assert.rejects(carillon.publish('hunt/island', 'dug'), { code: 'limit_exceeded' });
  let flushed = false;
  carillon.flush().then(() => (flushed = true));
  await published;
  await settle();
  assert.equal(carillon.unconfirmed, 0);
  assert.ok(flushed);
  await carillon.close();
});

test('P1 what is confirmed resolves also where the storage lets go of nothing, and is a duplicate for the next client', async () => {
  // Given a storage from which nothing can be removed.
  const storage = new MemoryStorage();
  storage.removeItem = () => {
    throw new Error('EROFS');
  };
  const carillon = await client({ storage });
  const accepted = carillon.publish('hunt/island', 'dug', { n: 1 });
  const refused = assert.rejects(carillon.publish('hunt/island', 'odd', { n: 2 }), { code: 'unknown_type' });
  const flushed = carillon.flush();
  await settle();
  // When one event is accepted and one refused, then whoever published hears so.
  await answers([{ index: 1, error: 'unknown_type', message: 'no handler' }]);
  const { producer } = await accepted;
  await Promise.all([refused, flushed]);
  assert.equal(carillon.unconfirmed, 0);
  await carillon.close();
  // The next client sends them under the same name and numbers.
  const next = await client({ storage });
  const [again] = net.last().requests('publish');
  assert.deepEqual([again.producer, again.events.map(({ sequence }) => sequence)], [producer, [1, 2]]);
  await next.close();
});

test('P2 what a client that is gone left is finished also when the storage cannot be read for a moment', async () => {
  // Given two clients, one of which goes with an event that is not confirmed,
  const storage = new MemoryStorage();
  const mine = await abandoned(storage, { pingMs: 1_000_000 });
  // and a storage that then fails at every look for a while: first its keys cannot be read, then what stands there.
  const fails = () => {
    throw new Error('EIO');
  };
  const { key, getItem } = storage;
  storage.key = fails;
  await clock.advance(20_000);
  storage.key = key;
  storage.getItem = (name) => (name.endsWith(':1') ? fails() : getItem.call(storage, name));
  await clock.advance(30_000);
  storage.getItem = getItem;
  assert.deepEqual([mine.state, mine.unconfirmed], ['open', 0]);
  // When it can be read again, then the event is sent.
  await clock.advance(20_000);
  assert.deepEqual(calls(), [[1]]);
  await answers();
  assert.equal(storage.length, 1);
  await mine.close();
});

test('a storage whose events cannot be read closes the client, which says why', async () => {
  const storage = new MemoryStorage();
  const before = await client({ storage });
  const left = assert.rejects(before.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  await before.close();
  await left;
  const cause = new Error('EIO');
  storage.getItem = () => {
    throw cause;
  };
  const after = connect({ addresses: 'ws://a/ws', WebSocket: net.FakeSocket, clock, storage });
  const published = after.publish('hunt/island', 'dug', { n: 2 });
  await assert.rejects(published, (error) => error.code === 'unavailable' && error.cause === cause);
  assert.equal(after.state, 'closed');
});

// A storage in which a client of Ana's left an event.
async function leftByAna() {
  const storage = new MemoryStorage();
  const before = await client({ storage, user: 'ana' });
  const left = assert.rejects(before.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  await before.close();
  await left;
  return storage;
}

// A client that is to flush() from its first moment on: { carillon, flushed }, the latter a list of how that ended.
function flushing(options) {
  const carillon = connect({ addresses: 'ws://a/ws', WebSocket: net.FakeSocket, clock, ...options });
  const flushed = [];
  carillon.flush().then(() => flushed.push('resolved'), (error) => flushed.push(error.code));
  return { carillon, flushed };
}

test('P2 flush() of a program that was started again waits for what was left, though it has published nothing', async () => {
  const { carillon, flushed } = flushing({ storage: await leftByAna(), user: 'ana' });
  await opens();
  assert.deepEqual([flushed, calls(), carillon.unconfirmed], [[], [[1]], 1]);
  await answers();
  assert.deepEqual([flushed, carillon.unconfirmed], [['resolved'], 0]);
  await carillon.close();
});

test('P2 flush() waits until a token says whose events these are, and what was left for them is sent', async () => {
  for (const [sub, sent] of [['ana', [[1]]], ['bo', []]]) {
    // Given what Ana left, and a login server that takes its time,
    const storage = await leftByAna();
    let give;
    const { carillon, flushed } = flushing({ storage, token: () => new Promise((resolve) => (give = resolve)) });
    await settle();
    assert.deepEqual(flushed, []);
    // when it gives a token, Ana's or somebody else's, then flush() ends when what is there for that user is sent.
    give(tokenOf({ sub }));
    await settle();
    net.last().welcomes({ subject: sub });
    await settle();
    assert.deepEqual(calls(), sent);
    if (sent.length > 0) await answers();
    assert.deepEqual(flushed, ['resolved']);
    await carillon.close();
  }
});

test('flush() waits for no token where nobody left anything', async () => {
  const storage = new MemoryStorage();
  const before = await client({ storage }); // Which leaves a ledger with nothing in it.
  await before.close();
  for (const options of [{ storage }, {}]) {
    const { carillon, flushed } = flushing({ ...options, token: () => new Promise(() => {}) });
    await settle();
    assert.deepEqual(flushed, ['resolved']);
    await carillon.close();
  }
});

test('flush() that waits for a token rejects when the client is closed', async () => {
  const { carillon, flushed } = flushing({ storage: await leftByAna(), token: () => new Promise(() => {}) });
  await settle();
  await carillon.close();
  await settle();
  assert.deepEqual(flushed, ['closed']);
  assert.equal(clock.pending, 0);
});

test('flush() rejects with the reason when the storage cannot be read', async () => {
  const storage = new MemoryStorage();
  storage.key = () => {
    throw new Error('EIO');
  };
  storage.setItem('another', 'key');
  const { flushed } = flushing({ storage });
  await settle();
  assert.deepEqual(flushed, ['unavailable']);
});

test('P1 P3 an event that the storage gives back damaged ends no connection, and holds up nothing behind it', async () => {
  // Given three clients, one after the other, each with an event that is not confirmed,
  const storage = await leftByAna();
  for (const n of [2, 3]) {
    const page = await client({ storage, user: 'ana' });
    const left = assert.rejects(page.publish('hunt/island', 'dug', { n }), { code: 'closed' });
    await page.close();
    await left;
  }
  // and a storage that has lost part of the first one.
  const first = [...Array(storage.length).keys()].map((i) => storage.key(i)).find((key) => storage.getItem(key).includes('"n":1'));
  storage.setItem(first, storage.getItem(first).slice(0, 20));
  // When a client publishes, then all others are sent.
  const after = await client({ storage, user: 'ana' });
  const published = after.publish('hunt/island', 'dug', { n: 4 });
  for (let i = 0; i < 3; i += 1) await answers();
  assert.deepEqual(net.last().requests('publish').map(({ events: [{ payload }] }) => payload.n), [2, 3, 4]);
  await published;
  assert.deepEqual([after.state, after.unconfirmed], ['open', 0]);
  await after.close();
});

test('what a client that is gone left is cleared away when all of it is damaged', async () => {
  const storage = new MemoryStorage();
  const mine = await abandoned(storage);
  for (let i = 0; i < storage.length; i += 1) if (storage.key(i).endsWith(':1')) storage.setItem(storage.key(i), '');
  await clock.advance(20_000);
  assert.deepEqual([calls(), mine.unconfirmed, storage.length], [[], 0, 1]);
  await mine.close();
});

// What setItem() does where there is no room.
function fill(storage) {
  storage.setItem = () => {
    throw new DOMException('the quota has been exceeded', 'QuotaExceededError');
  };
}

test('P3 where the storage is full, what is new is sent from memory, behind what an earlier page left', async () => {
  // Given what a page left in a storage that is full by now,
  const storage = new MemoryStorage();
  const before = await client({ storage });
  const left = assert.rejects(before.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  await before.close();
  await left;
  fill(storage);
  // when the next page publishes and follows,
  const after = await client({ storage });
  const published = after.publish('hunt/island', 'dug', { n: 2 });
  after.follow('player/ana');
  await settle();
  // then it follows, and both events are sent, the old one first.
  assert.equal(net.last().requests('follow').length, 1);
  await answers();
  await answers();
  assert.deepEqual(net.last().requests('publish').map(({ events: [{ payload }] }) => payload.n), [1, 2]);
  assert.equal((await published).sequence, 1);
  assert.equal(after.unconfirmed, 0);
  await after.close();
});

test('P2 where the storage is full, what a client that is gone left is finished all the same', async () => {
  const storage = new MemoryStorage();
  const others = await client({ storage });
  const lost = assert.rejects(others.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  fill(storage);
  const mine = await client({ storage });
  await others.close();
  await lost;
  await clock.advance(20_000);
  assert.deepEqual(calls(), [[1]]);
  await answers();
  assert.equal(storage.length, 0);
  await mine.close();
});

// Makes a page of this program, in a browser with these parts. Gives its listeners.
function pageIn(t, browser) {
  const listeners = new Map();
  const addEventListener = (name, listener) => listeners.set(name, listener);
  for (const [name, value] of Object.entries({ document: {}, addEventListener, ...browser })) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    t.after(() => (before ? Object.defineProperty(globalThis, name, before) : delete globalThis[name]));
  }
  return listeners;
}

test('P3 a page that goes says so, so that a tab that opens just then leaves it what it has to send', async (t) => {
  // Given a page with an event that it published a while ago,
  let wallMs = Date.now();
  t.mock.method(Date, 'now', () => wallMs);
  const locks = { request: (name, options, held) => Promise.resolve(held({ name })) };
  const listeners = pageIn(t, { localStorage: new MemoryStorage(), sessionStorage: new MemoryStorage(), navigator: { locks } });
  const page = await client();
  const left = assert.rejects(page.publish('hunt/island', 'dug', { n: 1 }), { code: 'closed' });
  await settle();
  wallMs += 60_000;
  // when it goes to be reloaded, and another tab opens meanwhile,
  listeners.get('pagehide')();
  globalThis.sessionStorage = new MemoryStorage();
  const other = await client();
  // then that one does not send it.
  assert.deepEqual(calls(), []);
  assert.equal(other.unconfirmed, 0);
  for (const one of [page, other]) await one.close();
  await left;
});

test('a page whose storage is damaged publishes from memory', async (t) => {
  const damaged = {
    get length() {
      throw new DOMException('the file is damaged', 'NS_ERROR_FILE_CORRUPTED');
    },
  };
  pageIn(t, { localStorage: damaged, sessionStorage: new MemoryStorage(), navigator: { locks: {} } });
  const carillon = await client();
  const published = carillon.publish('hunt/island', 'dug');
  await settle();
  await answers();
  await published;
  await carillon.close();
});

test('a page that gets no locks from its browser is told so, and does not freeze', { timeout: 5_000 }, async (t) => {
  // Given a browser that has locks for nobody.
  const refusal = new DOMException('the document is not fully active', 'InvalidStateError');
  const locks = { request: () => Promise.reject(refusal) };
  pageIn(t, { localStorage: new MemoryStorage(), sessionStorage: new MemoryStorage(), navigator: { locks } });
  // When a page connects and publishes,
  const carillon = connect({ addresses: 'ws://a/ws', WebSocket: net.FakeSocket, clock });
  const published = carillon.publish('hunt/island', 'dug');
  // then it hears why that cannot be.
  await assert.rejects(published, (error) => error.code === 'unavailable' && error.cause === refusal);
  assert.equal(carillon.state, 'closed');
});

test('one question that is put off after a quiet time is no reason to leave a gateway', async () => {
  const carillon = await client();
  const asked = () => net.last().requests('positions');
  await clock.advance(5_000); // In which nobody wanted anything.
  const positions = carillon.positions('player/ana');
  net.last().says({ refused: { id: asked()[0].id, error: 'unavailable', message: 'a hand-over', retry_after_ms: 500 } });
  await settle();
  assert.equal(carillon.state, 'open');
  await clock.advance(500);
  net.last().says({ positions_are: { id: asked()[1].id, last: 7, devices: [] } });
  await settle();
  assert.equal((await positions).last, 7);
  assert.equal(carillon.state, 'open');
  await carillon.close();
});
