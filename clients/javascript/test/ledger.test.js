// What outlives the page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Ledger, MemoryStorage } from '../lib/ledger.js';

const ana = { queue: 'carillon', user: 'ana', suffix: 'tab-1' };
const sequences = (part) => part.events().map((event) => event.sequence);
const contents = (ledger) => ledger.parts().map((part) => [part.producer, sequences(part)]);

test('P2 each client begins a part under its own name, and what earlier ones left stays as it was numbered', () => {
  const storage = new MemoryStorage();
  const first = new Ledger(storage, ana).begin('js-1');
  assert.equal(first.producer, 'ana/js-1');
  assert.deepEqual([first.take('"a":1}'), first.take('"b":1}'), first.take('"c":1}')], [1, 2, 3]);
  first.settle(1);
  const second = new Ledger(storage, ana).begin('js-2');
  assert.equal(second.take('"d":1}'), 1);
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [2, 3]], ['ana/js-2', [1]]]);
});

test('P3 parts come in the order in which they were begun', () => {
  const storage = new MemoryStorage();
  const suffixes = Array.from({ length: 12 }, (_, i) => `js-${12 - i}`);
  for (const suffix of suffixes) new Ledger(storage, { ...ana, user: '' }).begin(suffix).take('"a":1}');
  assert.deepEqual(new Ledger(storage, { ...ana, user: '' }).parts().map((part) => part.producer), suffixes);
});

test('events come back in the order of their numbers, with their bytes', () => {
  const storage = new MemoryStorage();
  const own = new Ledger(storage, ana).begin('js-1');
  for (let i = 1; i <= 12; i += 1) own.take('"é":1}');
  const [left] = new Ledger(storage, ana).parts();
  assert.deepEqual(sequences(left), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.equal(left.events()[11].bytes, '{"sequence":12,"é":1}'.length + 1);
});

test('P2 no sequence is given twice, not even when a storage is full or a record is damaged', () => {
  const storage = new MemoryStorage();
  const own = new Ledger(storage, ana).begin('js-1');
  own.take('"a":1}');
  const { setItem } = storage;
  storage.setItem = (key, value) => {
    if (key.endsWith(':2')) throw new Error('QuotaExceededError');
    setItem.call(storage, key, value);
  };
  assert.throws(() => own.take('"b":1}'), /Quota/);
  storage.setItem = setItem;
  assert.equal(own.take('"c":1}'), 3);
  storage.setItem('carillon:ana:tab-1', '{"used":');
  assert.deepEqual(Ledger.suffixes(storage, ana), ['tab-1']);
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [1, 3]]]);
});

test('P3 what is damaged is left out, and nothing else', () => {
  const storage = new MemoryStorage();
  const own = new Ledger(storage, ana).begin('js-1');
  for (let i = 1; i <= 7; i += 1) own.take('"text":"é"}');
  const damage = ['', '"text":"', '"text":"é"', 'null', '"text":"é"}}'];
  damage.forEach((text, i) => storage.setItem(`carillon:ana:tab-1:1:js-1:${i + 2}`, text));
  for (const name of ['0', '-1', '1.5', 'x']) storage.setItem(`carillon:ana:tab-1:1:js-1:${name}`, '"text":"é"}');
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [1, 7]]]);
});

test('P2 an event that was refused because the storage failed is not kept, not even in part', () => {
  const storage = new MemoryStorage();
  const own = new Ledger(storage, ana).begin('js-1');
  const { setItem } = storage;
  storage.setItem = (key, value) => {
    setItem.call(storage, key, value);
    if (key.endsWith(':1')) throw new Error('ENOSPC');
  };
  assert.throws(() => own.take('"a":1}'), /ENOSPC/);
  assert.equal(own.take('"b":2}'), 2);
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [2]]]);
});

test('P2 what was kept before ledgers had parts comes first, under the name that it was sent with', () => {
  const storage = new MemoryStorage();
  storage.setItem('carillon:ana:js-1', '{"next":8,"used":1}');
  for (const sequence of [6, 7]) storage.setItem(`carillon:ana:js-1:${sequence}`, '"a":1}');
  const ledger = new Ledger(storage, { ...ana, suffix: 'js-1' });
  ledger.begin('js-2').take('"b":1}');
  assert.deepEqual(contents(ledger), [['ana/js-1', [6, 7]], ['ana/js-2', [1]]]);
  ledger.parts()[0].settle(6);
  assert.deepEqual(contents(ledger), [['ana/js-1', [7]], ['ana/js-2', [1]]]);
});

test('users, queues and producers do not see each other, whatever their names', () => {
  const storage = new MemoryStorage();
  storage.setItem('something else', 'of the page');
  for (const [queue, user, suffix] of [['q', 'a', '1'], ['q', 'a:1', '2'], ['q:a', '1', '3'], ['q', 'ä/ü', '4']]) {
    const ledger = new Ledger(storage, { queue, user, suffix });
    ledger.begin('js-1').take(`"n":${suffix}}`);
  }
  assert.deepEqual(Ledger.suffixes(storage, { queue: 'q', user: 'a' }), ['1']);
  assert.deepEqual(Ledger.suffixes(storage, { queue: 'q', user: 'ä/ü' }), ['4']);
  assert.deepEqual(contents(new Ledger(storage, { queue: 'q', user: 'a', suffix: '1' })), [['a/js-1', [1]]]);
});

test('what the page keeps under a name that might be ours is not', () => {
  const storage = new MemoryStorage();
  for (const [key, value] of Object.entries({ lastOffset: '4711', theme: 'dark', settings: '{"volume":3}' })) storage.setItem(`q:a:${key}`, value);
  assert.deepEqual(Ledger.suffixes(storage, { queue: 'q', user: 'a' }), []);
});

test('the one used last comes first', () => {
  const storage = new MemoryStorage();
  let now = 0;
  for (const suffix of ['old', 'new', 'newest']) {
    new Ledger(storage, { ...ana, suffix }, () => (now += 1)).touch();
  }
  assert.deepEqual(Ledger.suffixes(storage, ana), ['newest', 'new', 'old']);
});

test('somebody has events in a storage when there are some in any ledger of the queue', () => {
  const storage = new MemoryStorage();
  storage.setItem('carillon', 'of the page');
  for (const user of ['', 'bo:1/ü']) {
    const ledger = new Ledger(storage, { ...ana, user });
    ledger.touch();
    assert.equal(Ledger.anyEvents(storage, ana), false);
    const own = ledger.begin('js-1');
    const sequence = own.take('"a":1}');
    assert.deepEqual(['carillon', 'other'].map((queue) => Ledger.anyEvents(storage, { queue })), [true, false]);
    own.settle(sequence);
  }
  storage.setItem('carillon:ana:js-1:6', '"a":1}'); // As it was before ledgers had parts.
  assert.equal(Ledger.anyEvents(storage, ana), true);
});

test('what is removed leaves nothing behind', () => {
  const storage = new MemoryStorage();
  const ledger = new Ledger(storage, ana);
  ledger.begin('js-1').take('"a":1}');
  assert.equal(ledger.isEmpty, false);
  ledger.remove();
  assert.equal(storage.length, 0);
});

// Until the function that this gives is called, the storage lets go of nothing whose key ends so.
function holdOn(storage, ending = '') {
  const { removeItem } = storage;
  storage.removeItem = (key) => {
    if (key.endsWith(ending)) throw new Error('EBUSY');
    removeItem.call(storage, key);
  };
  return () => (storage.removeItem = removeItem);
}

test('P2 what the storage does not let go of is removed with a later one, before the server has forgotten its producer', () => {
  const storage = new MemoryStorage();
  const own = new Ledger(storage, ana).begin('js-1');
  for (let i = 1; i <= 4; i += 1) own.take('"a":1}');
  const letGo = holdOn(storage, ':1');
  own.settle(1);
  own.settle(2);
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [1, 3, 4]]], 'one does not hold up the others');
  letGo();
  own.settle(3);
  assert.deepEqual(contents(new Ledger(storage, ana)), [['ana/js-1', [4]]]);
});

test('a ledger that the storage does not let go of says so, and can still be found', () => {
  const storage = new MemoryStorage();
  const ledger = new Ledger(storage, ana);
  ledger.begin('js-1').take('"a":1}');
  const letGo = holdOn(storage, ':1');
  assert.equal(ledger.remove(), false);
  assert.deepEqual(Ledger.suffixes(storage, ana), ['tab-1']);
  letGo();
  assert.equal(ledger.remove(), true);
  assert.equal(storage.length, 0);
});

test('the storage of those who have none lists what it has', () => {
  const storage = new MemoryStorage();
  const keys = () => Array.from({ length: storage.length }, (_, index) => storage.key(index));
  for (const key of ['a', 'b', 'c']) storage.setItem(key, key);
  assert.deepEqual(keys(), ['a', 'b', 'c']);
  storage.removeItem('b');
  assert.deepEqual(keys(), ['a', 'c']);
  storage.setItem('d', 'd');
  assert.deepEqual(keys(), ['a', 'c', 'd']);
  assert.equal(storage.key(3), null);
});
