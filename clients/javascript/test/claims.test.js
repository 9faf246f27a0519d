// Which ledger a client adds to, when tabs come, go and are reloaded.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Claims } from '../lib/claims.js';
import { MemoryStorage } from '../lib/ledger.js';
import { ProgramLocks, TabLocks } from '../lib/locks.js';
import { FakeClock, settle } from './support/fake_clock.js';

const LONG_ENOUGH_MS = 10_000; // For a page to come back that is reloaded.

let made = 0;
let now = 0;
function tab(storage, session = new MemoryStorage(), locks = new ProgramLocks(storage)) {
  const newSuffix = () => `tab-${(made += 1)}`;
  const clocks = { now: () => now, wallNow: () => now };
  return new Claims({ storage, session, locks, pages: true, queue: 'carillon', user: 'ana', newSuffix, ...clocks });
}

// A tab whose client has begun to add to its ledger: { ledger, part }.
async function opened(claims) {
  const ledger = await claims.own();
  return { ledger, part: claims.begin(ledger) };
}

test('P2 two tabs at a time have two ledgers', async () => {
  const storage = new MemoryStorage();
  const [one, other] = await Promise.all([tab(storage).own(), tab(storage).own()]);
  assert.notEqual(one.suffix, other.suffix);
});

test('P3 a tab that is reloaded goes on with the ledger that it had, though others were used later', async () => {
  const storage = new MemoryStorage();
  const session = new MemoryStorage();
  const before = tab(storage, session);
  const { ledger, part } = await opened(before);
  part.take('"a"');
  const other = tab(storage);
  await opened(other);
  other.release();
  before.release();
  const after = await tab(storage, session).own();
  assert.equal(after.suffix, ledger.suffix);
  assert.equal(after.isEmpty, false);
});

test('a tab whose session was copied from one that lives gets a ledger of its own', async () => {
  const storage = new MemoryStorage();
  const session = new MemoryStorage();
  const original = await opened(tab(storage, session));
  const copy = await opened(tab(storage, session));
  assert.notEqual(copy.ledger.suffix, original.ledger.suffix);
});

test('what a tab that is gone left is taken over by one, and cleared away when it is done', async () => {
  const storage = new MemoryStorage();
  const [mine, others] = [tab(storage), tab(storage)];
  await opened(mine);
  (await opened(others)).part.take('"a"');
  assert.deepEqual(await mine.orphans(), [], 'it still lives');
  others.release();
  const third = tab(storage);
  const look = async () => (await Promise.all([mine.orphans(), third.orphans()])).flat();
  assert.deepEqual(await look(), [], 'perhaps it comes back');
  now += LONG_ENOUGH_MS;
  const found = await look();
  assert.equal(found.length, 1);
  now += LONG_ENOUGH_MS;
  assert.deepEqual(await look(), []);
  mine.finish(found[0]);
  assert.deepEqual(await third.orphans(), []);
  assert.equal(storage.length, 1);
});

test('P3 a tab that is just being reloaded is not taken for one that is gone', async () => {
  // Given two tabs, one with events that are not confirmed.
  const storage = new MemoryStorage();
  const session = new MemoryStorage();
  const other = tab(storage);
  await opened(other);
  let page = tab(storage, session);
  const { ledger, part } = await opened(page);
  part.take('"a"');
  // When it is reloaded again and again, and the other one looks whenever it is away,
  for (let reload = 0; reload < 3; reload += 1) {
    page.release();
    assert.deepEqual(await other.orphans(), []);
    now += 1_000;
    assert.deepEqual(await other.orphans(), []);
    // then it has its ledger again.
    page = tab(storage, session);
    assert.equal((await page.own()).suffix, ledger.suffix);
    now += LONG_ENOUGH_MS;
    assert.deepEqual(await other.orphans(), []);
  }
});

// A tab that has an event which is not confirmed, published a while ago, when it goes: { storage, session, suffix }.
async function left() {
  const [storage, session] = [new MemoryStorage(), new MemoryStorage()];
  const page = tab(storage, session);
  const { ledger, part } = await opened(page);
  part.take('"a"');
  now += LONG_ENOUGH_MS;
  page.release();
  return { storage, session, suffix: ledger.suffix };
}

test('P3 a tab that opens while another one is being reloaded leaves that one its ledger', async () => {
  // Given a page that is gone, to be reloaded,
  const { storage, session, suffix } = await left();
  // when another tab opens before it is back,
  now += 1_000;
  const { ledger } = await opened(tab(storage));
  // then it has a ledger of its own, and the page has its old one again.
  assert.notEqual(ledger.suffix, suffix);
  assert.equal((await tab(storage, session).own()).suffix, suffix);
});

test('P3 a tab that opens after another one was closed goes on with what that one left', async () => {
  const { storage, suffix } = await left();
  now += LONG_ENOUGH_MS;
  const ledger = await tab(storage).own();
  assert.deepEqual([ledger.suffix, ledger.isEmpty], [suffix, false]);
});

test('P2 what a tab left is taken over by one that opens just then, when it does not come back', async () => {
  const { storage, suffix } = await left();
  const next = tab(storage);
  await opened(next);
  assert.deepEqual(await next.orphans(), []);
  now += LONG_ENOUGH_MS;
  assert.deepEqual((await next.orphans()).map((ledger) => ledger.suffix), [suffix]);
});

test('P2 tabs that are open only for moments leave nothing unsent for ever', async () => {
  const { storage, suffix } = await left();
  const taken = [];
  for (let i = 0; i < 5; i += 1) {
    const moment = tab(storage);
    taken.push((await opened(moment)).ledger.suffix, ...(await moment.orphans()).map((ledger) => ledger.suffix));
    moment.release();
    now += 3_000;
  }
  assert.ok(taken.includes(suffix));
});

test('a program that is started again goes on at once with what was left', async () => {
  const { storage, suffix } = await left();
  const settings = { session: new MemoryStorage(), locks: new ProgramLocks(storage), pages: false, queue: 'carillon', user: 'ana' };
  const program = new Claims({ storage, ...settings, newSuffix: () => 'new', now: () => now, wallNow: () => now });
  assert.equal((await program.own()).suffix, suffix);
});

test('ledgers with nothing in them are cleared away', async () => {
  const storage = new MemoryStorage();
  const [mine, others] = [tab(storage), tab(storage)];
  await opened(mine);
  await opened(others);
  others.release();
  assert.equal(storage.length, 2);
  assert.deepEqual(await mine.orphans(), []);
  assert.equal(storage.length, 1);
});

// As in a browser: request() waits its turn, or is aborted.
class FakeLockManager {
  #held = new Map();
  async request(name, { signal, ifAvailable }, callback) {
    while (this.#held.has(name)) {
      if (ifAvailable) return callback(null);
      await Promise.race([
        this.#held.get(name),
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ]);
    }
    const work = Promise.resolve(callback({ name }));
    this.#held.set(name, work);
    await work;
    this.#held.delete(name);
  }
}

test('a page that is reloaded waits for the locks of the page that it replaces, but not for ever', async () => {
  const clock = new FakeClock();
  const locks = new TabLocks(new FakeLockManager(), clock);
  const release = await locks.hold('a');
  assert.equal(await locks.hold('a'), null);
  const patient = locks.hold('a', 2_000);
  const given = [];
  patient.then((lock) => given.push(lock));
  await settle();
  assert.equal(given.length, 0);
  release();
  await settle();
  assert.equal(typeof given[0], 'function');
  const disappointed = locks.hold('a', 2_000);
  await clock.advance(2_000);
  assert.equal(await disappointed, null);
  assert.equal(clock.pending, 0);
});

// When the browser has no locks for a page, asking for other names is of no use.
test('a browser that refuses locks is not taken for one where somebody else has them', { timeout: 5_000 }, async () => {
  const refusal = new DOMException('the document is not fully active', 'InvalidStateError');
  const clock = new FakeClock();
  const locks = new TabLocks({ request: () => Promise.reject(refusal) }, clock);
  for (const waitMs of [0, 2_000]) {
    await assert.rejects(locks.hold('a', waitMs), (error) => error.code === 'unavailable' && error.cause === refusal);
  }
  assert.equal(clock.pending, 0);
  let tries = 0;
  const claims = tab(new MemoryStorage(), new MemoryStorage(), { hold: (name) => ((tries += 1), locks.hold(name)) });
  await assert.rejects(claims.own(), { code: 'unavailable' });
  assert.equal(tries, 1);
});

test('what the storage does not let go of when it is finished is not found again and again', async () => {
  const { storage, suffix } = await left();
  const mine = tab(storage);
  await opened(mine);
  const look = async () => (now += LONG_ENOUGH_MS, (await mine.orphans()).map((ledger) => ledger.suffix));
  assert.deepEqual(await look(), []);
  const found = (now += LONG_ENOUGH_MS, await mine.orphans());
  assert.deepEqual(found.map((ledger) => ledger.suffix), [suffix]);
  storage.removeItem = () => {
    throw new Error('EBUSY');
  };
  mine.finish(found[0]);
  for (let i = 0; i < 3; i += 1) assert.deepEqual(await look(), []);
});

test('a storage that cannot be read for a moment keeps nobody from what is left in it', async () => {
  // Given what a tab left, and another tab that has seen it.
  const { storage, suffix } = await left();
  const mine = tab(storage);
  await opened(mine);
  await mine.orphans();
  now += LONG_ENOUGH_MS;
  // When the storage fails at any one of the reads that its next look takes,
  const { key } = storage;
  for (let failing = 1, reads = 0; ; failing += 1, reads = 0) {
    storage.key = (index) => {
      reads += 1;
      if (reads === failing) throw new Error('EIO');
      return key.call(storage, index);
    };
    const found = await mine.orphans();
    storage.key = key;
    if (reads < failing) {
      assert.deepEqual(found.map((ledger) => ledger.suffix), [suffix]);
      break;
    }
    // then that look finds nothing, and the ledger can be had by whoever looks later.
    assert.deepEqual(found, []);
    await mine.orphans();
    now += LONG_ENOUGH_MS;
  }
});
