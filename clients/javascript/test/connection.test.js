// One socket to one of several gateways, renewed by itself.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Backoff } from '../lib/backoff.js';
import { Connection } from '../lib/connection.js';
import { FakeClock, settle } from './support/fake_clock.js';
import { fakeSockets } from './support/fake_socket.js';

let clock;
let net;
let heard;
beforeEach(() => {
  clock = new FakeClock();
  net = fakeSockets();
  heard = [];
});

async function connected({ welcomed = true, ...more } = {}) {
  const connection = new Connection({
    addresses: ['ws://a/ws', 'ws://b/ws'],
    token: async () => undefined,
    canRenew: false,
    WebSocket: net.FakeSocket,
    clock,
    backoff: new Backoff({ random: () => 0.5 }),
    attemptMs: 10_000,
    pingMs: null,
    random: () => 0,
    opened: () => heard.push('opened'),
    received: (name) => heard.push(name),
    lost: () => heard.push('lost'),
    changed: (state, detail) => heard.push([state, detail.error?.code ?? detail.address]),
    tokenRefusalsMax: 3,
    tokenRefused: (error) => heard.push(`refused ${error.message}`),
    ...more,
  });
  connection.start();
  await settle();
  if (welcomed) net.last().welcomes();
  return connection;
}
const states = () => heard.filter(Array.isArray).map(([state, about]) => `${state} ${about}`);

test('it is open when the gateway has greeted', async () => {
  const connection = await connected({ welcomed: false });
  assert.equal(connection.state, 'connecting');
  assert.equal(connection.send({ ping: {} }), false);
  assert.deepEqual(net.last().protocols, ['carillon.v1']);
  net.last().welcomes();
  assert.equal(connection.state, 'open');
  assert.deepEqual(heard, [['connecting', 'ws://a/ws'], ['open', 'ws://a/ws'], 'opened']);
});

test('P9 the token travels as a subprotocol, and a new one is asked for before each connection', async () => {
  let count = 0;
  await connected({ token: async () => `t${(count += 1)}`, canRenew: true });
  net.last().ends(4401);
  await clock.advance(100);
  assert.deepEqual(net.sockets.map((socket) => socket.protocols[1]), ['carillon.token.t1', 'carillon.token.t2']);
});

// The gateway refuses the token of the attempt that is under way.
function refusesToken(message) {
  net.last().says({ error: { error: 'unauthenticated', message } });
  net.last().ends(4401);
}

test('P9 when every token of a row is refused it says so each time, and closes at last', async () => {
  const connection = await connected({ token: async () => 'old', canRenew: true, welcomed: false });
  for (const pauseMs of [100, 200]) {
    refusesToken('the token expired');
    assert.equal(clock.nextIn, pauseMs);
    await clock.advance(pauseMs);
  }
  refusesToken('the token expired');
  assert.equal(connection.state, 'closed');
  assert.equal(states().at(-1), 'closed unauthenticated');
  assert.deepEqual(heard.filter((what) => what === 'refused the token expired').length, 3);
  assert.equal(clock.pending, 0);
});

test('P9 a welcome, and the end of a connection whose token expired, make tokens count anew', async () => {
  const connection = await connected({ token: async () => 'good', canRenew: true, welcomed: false });
  for (let i = 0; i < 5; i += 1) {
    for (let refusal = 0; refusal < 2; refusal += 1) {
      refusesToken('of a key that this gateway has not read yet');
      await clock.advance(clock.nextIn);
    }
    net.last().welcomes();
    await clock.advance(2_000);
    refusesToken('the token expired');
    await clock.advance(clock.nextIn);
  }
  assert.equal(connection.state, 'connecting');
  assert.equal(heard.filter((what) => what === 'refused the token expired').length, 0);
});

test('P9 where there is but one token, its refusal is the end', async () => {
  const connection = await connected({ token: async () => 'old', welcomed: false });
  refusesToken('the token expired');
  assert.equal(connection.state, 'closed');
  assert.deepEqual(heard.slice(-2), ['refused the token expired', ['closed', 'unauthenticated']]);
});

test('P9 a token that cannot be sent counts as refused', async () => {
  const tokens = ['two words', 'naïve', 'good'];
  const connection = await connected({ token: async () => tokens.shift(), canRenew: true, welcomed: false });
  for (let i = 0; i < 2; i += 1) await clock.advance(clock.nextIn);
  assert.deepEqual(net.sockets.map((socket) => socket.protocols[1]), ['carillon.token.good']);
  assert.equal(connection.state, 'connecting');
  const useless = await connected({ token: async () => 'two words', canRenew: true, welcomed: false });
  for (let i = 0; i < 2; i += 1) await clock.advance(clock.nextIn);
  assert.equal(useless.state, 'closed');
  assert.equal(states().at(-1), 'closed unauthenticated');
});

test('P9 whoever closes when told of a refused token is not connected again', async () => {
  let connection;
  const closes = (error) => connection.close(error);
  connection = await connected({ token: async () => 'old', canRenew: true, tokenRefused: closes, welcomed: false });
  refusesToken('the token expired');
  assert.equal(connection.state, 'closed');
  assert.equal(clock.pending, 0);
});

test('a lost connection is followed by an attempt at the next address, after a pause', async () => {
  const connection = await connected();
  await clock.advance(5_000);
  net.last().ends(1006);
  assert.equal(connection.state, 'waiting');
  assert.equal(clock.nextIn, 100);
  await clock.advance(100);
  assert.equal(net.last().url, 'ws://b/ws');
  net.last().ends(1006);
  assert.equal(clock.nextIn, 200);
  await clock.advance(200);
  assert.equal(net.last().url, 'ws://a/ws');
  assert.deepEqual(heard.filter((what) => what === 'lost').length, 1, 'an attempt that failed was no connection');
});

test('pauses grow also when each connection ends as soon as it has begun', async () => {
  await connected();
  const pauses = [];
  for (let i = 0; i < 4; i += 1) {
    net.last().ends(1006);
    pauses.push(clock.nextIn);
    await clock.advance(clock.nextIn);
    net.last().welcomes();
  }
  assert.deepEqual(pauses, [100, 200, 400, 800]);
  await clock.advance(2_000);
  net.last().ends(1006);
  assert.equal(clock.nextIn, 100);
});

test('a node that stops is left at once', async () => {
  await connected();
  await clock.advance(2_000);
  net.last().ends(1001);
  assert.equal(clock.nextIn, 0);
});

// The gateway refuses a connection, or ends one, because there are too many of us.
function limits(more) {
  net.last().says({ error: { error: 'limit_exceeded', message: 'too many', ...more } });
  net.last().ends(4429);
}

test('P7 clients that were sent away together wait a second at least, and do not come back together', async () => {
  const pauses = [];
  for (const dice of [0, 0.5, 1]) {
    clock = new FakeClock();
    await connected({ backoff: new Backoff({ random: () => dice }) });
    await clock.advance(5_000); // It lived.
    net.last().ends(4429);
    pauses.push(clock.nextIn);
  }
  assert.deepEqual(pauses, [1_500, 2_000, 2_500]);
});

test('P7 who is sent away again and again waits longer each time, however long its connections live', async () => {
  await connected();
  const pauses = [];
  for (let i = 0; i < 4; i += 1) {
    await clock.advance(5_000);
    limits();
    pauses.push(clock.nextIn);
    await clock.advance(clock.nextIn);
    net.last().welcomes();
  }
  assert.deepEqual(pauses, [2_000, 3_000, 5_000, 6_000]);
  await clock.advance(5_000);
  net.last().ends(1006);
  assert.equal(clock.nextIn, 100, 'one that lived well ends it');
});

test('P7 when the gateway says how long to wait, that long it is at least', async () => {
  await connected();
  limits({ retry_after_ms: 30_000 });
  assert.equal(clock.nextIn, 35_000);
});

for (const [code, name] of [[4400, 'malformed'], [4403, 'forbidden'], [4401, 'unauthenticated']]) {
  test(`close code ${code} is the end, for no repetition mends it`, async () => {
    const connection = await connected();
    net.last().ends(code);
    assert.equal(connection.state, 'closed');
    assert.equal(states().at(-1), `closed ${name}`);
    assert.equal(clock.pending, 0);
  });
}

test('what the gateway says before it closes is the reason', async () => {
  await connected();
  net.last().says({ error: { error: 'limit_exceeded', message: 'too many follows' } });
  net.last().ends(4429);
  assert.equal(states().at(-1), 'waiting limit_exceeded');
});

test('silence is noticed: first it asks, then it leaves', async () => {
  const connection = await connected();
  await clock.advance(15_000);
  assert.deepEqual(net.last().sent, [{ ping: {} }]);
  net.last().says({ pong: {} });
  await clock.advance(15_000);
  assert.equal(connection.state, 'open');
  assert.equal(net.last().requests('ping').length, 2);
  await clock.advance(15_000);
  assert.equal(connection.state, 'waiting');
  assert.equal(states().at(-1), 'waiting timeout');
});

test('a connection on which something comes is not asked', async () => {
  await connected();
  for (let i = 0; i < 10; i += 1) {
    await clock.advance(7_000);
    net.last().says({ events: { id: 1 } });
  }
  assert.deepEqual(net.last().requests('ping'), []);
});

test("the gateway's pings are answered", async () => {
  await connected();
  net.last().says({ ping: {} });
  assert.deepEqual(net.last().sent, [{ pong: {} }]);
});

test('an attempt without a welcome is given up', async () => {
  const connection = await connected({ welcomed: false });
  await clock.advance(10_000);
  assert.equal(connection.state, 'waiting');
  assert.equal(net.sockets[0].closedWith, 1000);
  net.sockets[0].welcomes();
  assert.equal(connection.state, 'waiting', 'it is too late');
});

// As undici 6 does, the WebSocket of Node 22.
test('an attempt that ends with an error only is over at once, and the next gateway is tried', async () => {
  // Given an attempt that fails,
  const connection = await connected({ welcomed: false });
  net.last().fails('connection refused');
  assert.equal(connection.state, 'connecting', 'a close may follow');
  // when none follows,
  await clock.advance(0);
  // then the next one is made after the usual pause.
  assert.equal(states().at(-1), 'waiting unavailable');
  await clock.advance(100);
  assert.equal(net.last().url, 'ws://b/ws');
});

test('where a close follows the error, its code says what is to be done', async () => {
  await connected();
  net.last().fails('a frame that makes no sense');
  net.last().ends(4403);
  assert.equal(states().at(-1), 'closed forbidden');
  assert.equal(clock.pending, 0);
});

test('a token that cannot be had is tried again', async () => {
  let fails = true;
  const token = async () => {
    if (fails) throw new Error('no network');
    return 't';
  };
  const connection = await connected({ token, canRenew: true, welcomed: false });
  assert.equal(states().at(-1), 'waiting unauthenticated');
  assert.ok(heard.includes('refused no token could be had: no network'), 'and the application is told');
  fails = false;
  await clock.advance(100);
  net.last().welcomes();
  assert.equal(connection.state, 'open');
});

test('a token that comes after the attempt was given up opens nothing', async () => {
  let give;
  await connected({ token: () => new Promise((resolve) => (give = resolve)), canRenew: true, welcomed: false });
  const late = give;
  await clock.advance(10_000);
  late('t');
  await settle();
  assert.equal(net.sockets.length, 0);
});

test('when the network comes back there is nothing to wait for', async () => {
  const connection = await connected();
  net.last().ends(1006);
  connection.hurry();
  await settle();
  assert.equal(connection.state, 'connecting');
  net.last().welcomes();
  connection.hurry();
  assert.deepEqual(net.last().sent, [{ ping: {} }]);
  await clock.advance(5_000);
  assert.equal(connection.state, 'waiting', 'an old connection that is dead is found out soon');
});

test('P7 a network that comes back does not shorten a pause that the gateway asked for', async () => {
  const connection = await connected();
  limits({ retry_after_ms: 30_000 });
  connection.hurry();
  await clock.advance(29_999);
  assert.equal(connection.state, 'waiting');
  await clock.advance(15_001);
  net.last().ends(1006);
  connection.hurry();
  await settle();
  assert.equal(connection.state, 'connecting', 'the next pause is an ordinary one');
});

test('what is no message of the protocol ends the connection, an unknown one does not', async () => {
  const connection = await connected();
  net.last().says({ later_version: { id: 1 } });
  assert.equal(connection.state, 'open');
  net.last().onmessage({ data: 'nonsense' });
  assert.equal(connection.state, 'waiting');
});

test('closed is closed', async () => {
  const connection = await connected();
  connection.close();
  net.sockets[0].welcomes();
  net.sockets[0].ends(1000);
  connection.hurry();
  connection.close();
  await clock.advance(60_000);
  assert.equal(net.sockets.length, 1);
  assert.equal(heard.filter((what) => what === 'lost').length, 1);
});

for (const when of ['connecting', 'open', 'waiting']) {
  test(`whoever closes when told that it is ${when} is not connected again`, async () => {
    let closes = false;
    let connection;
    const changed = (state) => closes && state === when && connection.close();
    connection = await connected({ changed });
    closes = true;
    net.last().ends(1006);
    await clock.advance(100);
    net.last().welcomes();
    assert.equal(connection.state, 'closed');
    assert.equal(clock.pending, 0);
    const attempts = net.sockets.length;
    await clock.advance(60_000);
    assert.equal(connection.state, 'closed');
    assert.equal(net.sockets.length, attempts);
    assert.equal(heard.filter((what) => what === 'opened').length, 1, 'the first one only');
  });
}
