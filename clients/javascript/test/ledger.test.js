// What outlives the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Ledger, MemoryStorage } from '../lib/ledger.js';

const ana = { queue: 'carillon', user: 'ana', suffix: 'js-1' };
const sequences = (ledger) => ledger.events().map((event) => event.sequence);

test('P2 sequences go on where they were, in whatever state the page went away', () => {
  const storage = new MemoryStorage();
  const before = new Ledger(storage, ana);
  assert.equal(before.producer, 'ana/js-1');
  assert.deepEqual([before.take('"a"'), before.take('"b"'), before.take('"c"')], [1, 2, 3]);
  before.settle(1);
  const after = new Ledger(storage, ana);
  assert.deepEqual(sequences(after), [2, 3]);
  for (const sequence of [2, 3]) after.settle(sequence);
  assert.equal(new Ledger(storage, ana).take('"d"'), 4);
});

test('events come back in the order of their numbers, with their bytes', () => {
  const storage = new MemoryStorage();
  const ledger = new Ledger(storage, ana);
  for (let i = 1; i <= 12; i += 1) ledger.take('"é":1}');
  assert.deepEqual(sequences(new Ledger(storage, ana)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.equal(ledger.events()[11].bytes, '{"sequence":12,"é":1}'.length + 1);
});

test('P2 no sequence is given twice, not even when a storage is full or a record is damaged', () => {
  const storage = new MemoryStorage();
  const ledger = new Ledger(storage, ana);
  ledger.take('"a"');
  const { setItem } = storage;
  storage.setItem = (key, value) => {
    if (key.endsWith(':2')) throw new Error('QuotaExceededError');
    setItem.call(storage, key, value);
  };
  assert.throws(() => ledger.take('"b"'), /Quota/);
  storage.setItem = setItem;
  assert.equal(ledger.take('"c"'), 3);
  storage.setItem('carillon:ana:js-1', '{"next":');
  assert.equal(new Ledger(storage, ana).take('"d"'), 4);
});

test('users, queues and producers do not see each other, whatever their names', () => {
  const storage = new MemoryStorage();
  storage.setItem('something else', 'of the page');
  for (const [queue, user, suffix] of [['q', 'a', '1'], ['q', 'a:1', '2'], ['q:a', '1', '3'], ['q', 'ä/ü', '4']]) {
    const ledger = new Ledger(storage, { queue, user, suffix });
    ledger.touch();
    ledger.take(`"${suffix}"`);
  }
  assert.deepEqual(Ledger.suffixes(storage, { queue: 'q', user: 'a' }), ['1']);
  assert.deepEqual(Ledger.suffixes(storage, { queue: 'q', user: 'ä/ü' }), ['4']);
  assert.deepEqual(sequences(new Ledger(storage, { queue: 'q', user: 'a', suffix: '1' })), [1]);
});

test('the one used last comes first', () => {
  const storage = new MemoryStorage();
  let now = 0;
  for (const suffix of ['old', 'new', 'newest']) {
    new Ledger(storage, { ...ana, suffix }, () => (now += 1)).touch();
  }
  assert.deepEqual(Ledger.suffixes(storage, ana), ['newest', 'new', 'old']);
});

test('what is removed leaves nothing behind', () => {
  const storage = new MemoryStorage();
  const ledger = new Ledger(storage, ana);
  ledger.take('"a"');
  ledger.remove();
  assert.equal(storage.length, 0);
});
