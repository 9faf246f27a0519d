// One stream: its offsets, its bound, its end (P4, P7).
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CarillonError } from '../lib/errors.js';
import { Follow, checkFollow, readerOf } from '../lib/follow.js';

function followed(options = {}) {
  const heard = [];
  const follow = new Follow('player/ana', options, {
    wanted: () => heard.push('wanted'),
    unfollow: (it) => {
      heard.push('unfollow');
      it.id = null;
    },
    done: () => heard.push('done'),
  });
  return { follow, heard, reader: readerOf(follow) };
}
const events = (count) => Array.from({ length: count }, () => ({ type: 'found', payload: {}, accepted_at: '2026' }));
const batch = (first, count) => ({ first, events: events(count) });

test('P4 it asks for what was wanted at first, and then for what comes next', async () => {
  const { follow, reader } = followed({ from: 'end' });
  assert.deepEqual(follow.request(1), { id: 1, entity: 'player/ana', from: 'end' });
  follow.disconnected();
  assert.deepEqual(follow.request(2), { id: 2, entity: 'player/ana', from: 'end' }, 'nobody has said where the end is');
  follow.following({ next: 41 });
  assert.ok(follow.took(batch(41, 2), 100));
  follow.disconnected();
  assert.deepEqual(follow.request(3), { id: 3, entity: 'player/ana', from: 43 });
  assert.deepEqual((await reader.next()).value, {
    entity: 'player/ana',
    offset: 41,
    type: 'found',
    payload: {},
    acceptedAt: '2026',
  });
  assert.equal(reader.position, 42);
});

test('an event that an operator redrove says which one it repeats, all others say nothing', async () => {
  const { follow, reader } = followed();
  follow.request(1);
  follow.took({ first: 1, events: [{ type: 'found', accepted_at: '2026', redrive_of: 17 }, ...events(1)] }, 100);
  assert.deepEqual((await reader.next()).value, { entity: 'player/ana', offset: 1, type: 'found', acceptedAt: '2026', redriveOf: 17 });
  assert.equal('redriveOf' in (await reader.next()).value, false);
});

test('what a device has acknowledged is asked for by its name, until an offset is known', () => {
  const { follow } = followed({ from: 'acknowledged', device: 'phone' });
  assert.deepEqual(follow.request(1), { id: 1, entity: 'player/ana', from: 'acknowledged', device: 'phone' });
  follow.following({ next: 5 });
  assert.deepEqual(follow.request(2), { id: 2, entity: 'player/ana', from: 5 });
});

test('a follow that says that its player is there says so each time it is asked for', () => {
  const { follow } = followed({ from: 'acknowledged', device: 'phone', present: true });
  assert.deepEqual(follow.request(1), { id: 1, entity: 'player/ana', from: 'acknowledged', device: 'phone', present: true });
  follow.following({ next: 5 });
  assert.deepEqual(follow.request(2), { id: 2, entity: 'player/ana', from: 5, present: true });
});

test('P4 offsets that do not come next are not taken', () => {
  const { follow } = followed();
  follow.request(1);
  assert.equal(follow.took(batch(2, 1), 10), false, 'a gap');
  assert.ok(follow.took(batch(1, 3), 10));
  assert.equal(follow.took(batch(3, 1), 10), false, 'a repetition');
});

test('P7 a slow reader makes it unfollow when the buffer is full, and follow again when half is read', async () => {
  const { follow, heard, reader } = followed({ bufferEvents: 4 });
  follow.request(1);
  follow.following({ next: 1 });
  follow.took(batch(1, 3), 300);
  assert.deepEqual(heard, []);
  follow.took(batch(4, 3), 300);
  assert.deepEqual(heard, ['unfollow']);
  for (let offset = 1; offset <= 3; offset += 1) assert.equal((await reader.next()).value.offset, offset);
  assert.deepEqual(heard, ['unfollow']);
  await reader.next();
  assert.deepEqual(heard, ['unfollow', 'wanted']);
  assert.equal(follow.request(2).from, 7);
  assert.equal((await reader.next()).value.offset, 5);
});

test('P7 the buffer is bounded in bytes too', () => {
  const { follow, heard } = followed({ bufferBytes: 1_000 });
  follow.request(1);
  follow.took(batch(1, 2), 1_001);
  assert.deepEqual(heard, ['unfollow']);
  follow.disconnected();
  assert.equal(follow.wants, false, 'nor does a new connection fill it');
});

test('readers that came before the events get them in order', async () => {
  const { follow, reader } = followed();
  const both = Promise.all([reader.next(), reader.next()]);
  follow.request(1);
  follow.took(batch(1, 2), 10);
  assert.deepEqual((await both).map(({ value }) => value.offset), [1, 2]);
});

test('a refusal that passes is asked again after its pause, another one is thrown behind what has come', async () => {
  const { follow, heard, reader } = followed();
  follow.request(1);
  assert.equal(follow.ended(new CarillonError('unavailable', 'a test', { retryAfterMs: 500 })), 500);
  assert.ok(follow.wants);
  follow.request(2);
  follow.took(batch(1, 1), 10);
  assert.equal(follow.ended(new CarillonError('truncated', 'a test', { firstOffset: 9 })), null);
  assert.deepEqual(heard, ['done']);
  assert.equal((await reader.next()).value.offset, 1);
  await assert.rejects(reader.next(), { code: 'truncated', firstOffset: 9 });
  assert.equal((await reader.next()).done, true);
});

test('who wishes so goes on behind what retention has dropped', async () => {
  const { follow, reader } = followed({ truncated: 'skip' });
  follow.request(1);
  assert.equal(follow.ended(new CarillonError('truncated', 'a test', { firstOffset: 9 })), 0);
  assert.equal(follow.request(2).from, 9);
  follow.took(batch(9, 1), 10);
  assert.equal((await reader.next()).value.offset, 9);
});

test('break ends it', async () => {
  const { follow, heard, reader } = followed();
  follow.request(1);
  follow.took(batch(1, 3), 10);
  for await (const event of reader) {
    assert.equal(event.offset, 1);
    break;
  }
  assert.deepEqual(heard, ['done']);
  assert.equal((await reader.next()).done, true);
});

test('options that make no sense are refused', () => {
  const useless = [{ from: 0 }, { from: 'start' }, { from: 1.5 }, { from: 'acknowledged' }, { truncated: 'maybe' }, { present: 'yes' }];
  for (const bad of useless) assert.throws(() => checkFollow('player/ana', bad), { code: 'malformed' });
  const useful = [{}, { from: 1 }, { from: 'end' }, { from: 'acknowledged', device: 'phone' }, { present: true }];
  for (const good of useful) checkFollow('player/ana', good);
});

test('nobody but a player can be present', () => {
  assert.throws(() => checkFollow('door/front', { present: true }), { code: 'malformed' });
  checkFollow('door/front', { present: false });
});

test('P4 whoever stops before reading what has come goes on behind what was read', async () => {
  const { follow, reader } = followed();
  follow.request(1);
  follow.took(batch(1, 10), 1_000);
  await reader.return();
  assert.equal(reader.position, 1);
  const other = followed();
  other.follow.request(1);
  other.follow.took(batch(1, 10), 1_000);
  await other.reader.next();
  other.follow.stop(new Error('enough'));
  assert.equal(other.reader.position, 2);
});

test('a buffer for nothing is a mistake of the caller', () => {
  for (const options of [{ bufferEvents: 0 }, { bufferBytes: 0 }, { bufferEvents: NaN }, { bufferBytes: '10' }]) {
    assert.throws(() => checkFollow('player/ana', options), { code: 'malformed' });
  }
  checkFollow('player/ana', { bufferEvents: 1, bufferBytes: Infinity });
});
