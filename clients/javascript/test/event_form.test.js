// The rules of form that are judged before an event is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bytesOf, checkDevice, checkEntity, checkOffset, encodeEvent, withSequence } from '../lib/event_form.js';

const malformed = { name: 'CarillonError', code: 'malformed' };

test('an event is JSON, with its sequence first', () => {
  const text = withSequence(7, encodeEvent('hunt/island', 'dug', { x: 3, player: 'ana "the" digger', none: undefined }));
  assert.deepEqual(JSON.parse(text), {
    sequence: 7,
    entity: 'hunt/island',
    type: 'dug',
    payload: { x: 3, player: 'ana "the" digger' },
  });
});

test('a trace goes along as version 00 has it, and what is none does not', () => {
  const form = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const sent = (traceparent) => JSON.parse(withSequence(1, encodeEvent('a/b', 'c', {}, { traceparent }))).traceparent;
  assert.equal(sent(`00-${form}`), `00-${form}`);
  assert.equal(sent(`cc-${form}`), `cc-${form}`);
  assert.equal(sent(`cc-${form}-what "comes" next`), `cc-${form}`);
  const none = [undefined, null, 7, {}, '', form, `00-${form}-`, `00-${form}\n`, `ff-${form}`, `cc-${form}.`, `00-${form.toUpperCase()}`];
  none.push(`00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`);
  for (const traceparent of none) assert.equal(sent(traceparent), undefined, String(traceparent));
});

test('entities are KIND/KEY, with up to 256 bytes of key', () => {
  for (const good of ['player/ana', 'player/a/b c', 'player/é', `player/${'x'.repeat(256)}`]) checkEntity(good);
  const bad = ['', 'player', 'player/', '/ana', 'Player/ana', '7/ana', '\ud800x/ana', `${'x'.repeat(33)}/ana`, 'player/a\nb', `player/${'é'.repeat(129)}`, 'player/\ud800', 7, null, undefined];
  for (const entity of bad) assert.throws(() => checkEntity(entity), malformed, String(entity));
});

test('payloads are objects that can be written as JSON', () => {
  const cycle = {};
  cycle.self = cycle;
  for (const bad of [[], 'text', 7, null, undefined, () => {}, cycle, { big: 1n }]) {
    assert.throws(() => encodeEvent('a/b', 'c', bad), malformed);
  }
});

test('a lone surrogate is refused wherever it hides, an escaped backslash is not', () => {
  for (const bad of ['\ud800', 'x\udfffy', '\\\ud800', '\ud800\ud800\udc00']) {
    assert.throws(() => encodeEvent('a/b', 'c', { text: bad }), malformed, JSON.stringify(bad));
    assert.throws(() => encodeEvent('a/b', 'c', { [bad]: 1 }), malformed, JSON.stringify(bad));
  }
  for (const good of ['\\ud800', '\\\\ud800', '\ud83d\ude00', 'ud800']) encodeEvent('a/b', 'c', { text: good });
});

test('a payload may be 59 deep, for five more stand round it in a message that may be 64 deep', () => {
  const nested = (depth) => (depth === 1 ? {} : { in: nested(depth - 1) });
  encodeEvent('a/b', 'c', nested(59));
  assert.throws(() => encodeEvent('a/b', 'c', nested(60)), malformed);
});

test('devices have up to 64 bytes, offsets are whole numbers', () => {
  checkDevice('phone');
  for (const bad of ['', 'x'.repeat(65), 'a\u0000', undefined]) assert.throws(() => checkDevice(bad), malformed);
  checkOffset(0, 0);
  for (const bad of [-1, 1.5, NaN, '1', 2 ** 53]) assert.throws(() => checkOffset(bad, 0), malformed);
});

test('bytes are those of UTF-8', () => {
  assert.equal(bytesOf('aé😀'), 7);
});
