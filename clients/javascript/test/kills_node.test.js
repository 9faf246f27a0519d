// The client in Node, against a real node that is killed again and again.
//
// Goal: P1 to P4 as an application sees them. Method: publish numbers to two streams without a pause and follow both, while
// the node is killed with SIGKILL at random moments and started on the same data; compare what was published, what was shown
// on the way, and what is stored in the end. `npm run test:kills` kills 50 times.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { connect } from '../index.js';
import { MemoryStorage } from '../lib/ledger.js';
import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';
import { assertLedger, readAll, upTo } from './support/ledger.js';
import { diceFrom, seed } from './support/dice.js';
import { eventually } from './support/eventually.js';
import { kills, killAgainAndAgain } from './support/kills.js';

const skip = hasBinary ? false : `there is no ${binary}; build it, or set CARILLON_BINARY`;
const streams = ['player/ledger one', 'player/ledger/two'];
let folder;
let node;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  node = await new CarillonNode(folder).start();
});
after(async () => {
  if (skip) return;
  await node?.kill();
  await removeFolder(folder);
});

const options = () => ({ addresses: node.webSocket, WebSocket, reconnectFirstMs: 10, reconnectLongestMs: 100 });

// Publishes as fast as its queue allows, with at most 200 unconfirmed, until stop(). A program that ends in the middle and
// is started again is what restart() plays: a new client on the storage of the old.
class Writer {
  published = streams.map(() => 0);
  errors = [];
  #storage = new MemoryStorage();
  #going = true;
  #turn = 0;

  async start() {
    this.carillon = connect({ ...options(), storage: this.#storage });
    await eventually(() => this.carillon.state === 'open', 'open');
  }

  async write() {
    while (this.#going) {
      if (this.carillon.unconfirmed < 200) this.#publish();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #publish() {
    const stream = (this.#turn += 1) % streams.length;
    if (this.carillon.state === 'closed') return;
    const n = (this.published[stream] += 1);
    this.carillon.publish(streams[stream], 'note', { tab: 'writer', n }).catch((error) => {
      if (error.code !== 'closed') this.errors.push(error);
    });
  }

  async restart() {
    await this.carillon.close();
    await this.start();
  }

  async stop() {
    this.#going = false;
    await this.carillon.flush();
    await this.carillon.close();
  }
}

test(`P1 P2 P3 P4 ${kills} kills change nothing that a program in Node can see`, { skip, timeout: 300_000 }, async () => {
  const dice = diceFrom(seed);
  const writer = new Writer();
  await writer.start();
  const reader = connect(options());
  const shown = streams.map(() => []);
  const reading = streams.map(async (stream, i) => {
    for await (const event of reader.follow(stream)) shown[i].push(event);
  });
  const writing = writer.write();
  await killAgainAndAgain({
    nodes: [node],
    dice,
    progress: () => Math.min(...shown.map((events) => events.length)),
    between: async (kill) => {
      if (kill % 5 === 2) {
        const started = writer.restart();
        started.catch((error) => writer.errors.push(error));
      }
    },
  });
  await eventually(() => writer.carillon.state === 'open', 'open', 30_000);
  await writer.stop();
  await writing;
  await eventually(() => shown.every((events, i) => events.length >= writer.published[i]), 'all is shown', 30_000);
  await reader.close();
  await Promise.all(reading);

  assert.deepEqual(writer.errors, [], `seed ${seed}`);
  for (const [i, stream] of streams.entries()) {
    assertLedger(shown[i], 'writer', writer.published[i]);
    assertLedger(await readAll(options(), stream), 'writer', writer.published[i]);
    assert.ok(writer.published[i] > kills);
  }
  console.log(`published ${writer.published.join(' and ')} through ${kills} kills`);
});

test('P4 positions are kept, and unread is what is behind them', { skip }, async () => {
  const carillon = connect(options());
  for (const n of upTo(5)) await carillon.publish('player/reader', 'note', { n });
  assert.equal(await carillon.acknowledge('player/reader', { device: 'phone', offset: 3 }), 3);
  assert.equal(await carillon.acknowledge('player/reader', { device: 'phone', offset: 2 }), 3, 'never back');
  await node.kill();
  await node.start();
  assert.deepEqual(await carillon.positions('player/reader'), { last: 5, devices: [{ device: 'phone', offset: 3, unread: 2 }] });
  const unread = carillon.follow('player/reader', { from: 'acknowledged', device: 'phone' });
  assert.equal((await unread.next()).value.offset, 4);
  await carillon.close();
});

test('a player comes when a client follows so, and again after the node was killed; who only reads does not', { skip, timeout: 60_000 }, async (t) => {
  const carillon = connect(options());
  t.after(() => carillon.close());
  carillon.follow('player/here', { present: true });
  const read = carillon.follow('player/reading');
  const told = carillon.follow('presence/here');
  const comes = async () => {
    while ((await told.next()).value.type !== 'arrived');
  };
  await comes();
  await node.kill();
  await node.start();
  await comes();
  await carillon.publish('player/reading', 'note', {});
  await read.next();
  assert.equal((await carillon.positions('presence/reading')).last, 0);
});

test('what the server refuses is typed', { skip }, async () => {
  const carillon = connect(options());
  await assert.rejects(carillon.publish('nonsense/1', 'note', {}), { code: 'unknown_kind' });
  await assert.rejects(carillon.publish('player/ana', 'note', { text: 'x'.repeat(70_000) }), { code: 'payload_too_large' });
  await assert.rejects(carillon.follow('player/nobody', { from: 100 }).next(), { code: 'beyond_end', firstOffset: 1 });
  await assert.rejects(carillon.follow('nonsense/1').next(), { code: 'unknown_kind' });
  await carillon.publish('player/ana', 'note', { text: 'all is well' });
  await carillon.close();
});

test('P7 a reader that stops for a while is fed from disk, in order', { skip, timeout: 60_000 }, async () => {
  const carillon = connect({ ...options(), queueEventsMax: 10_000, queueBytesMax: 16 * 1024 * 1024 });
  const slow = carillon.follow('player/slow', { bufferEvents: 20 });
  await Promise.all(upTo(5_000).map((n) => carillon.publish('player/slow', 'note', { tab: 'slow', n })));
  const events = [];
  while (events.length < 5_000) events.push((await slow.next()).value);
  assertLedger(events, 'slow', 5_000);
  await carillon.close();
});
