// Server-sent events over fetch: whatever pieces they come in.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventParser } from '../../clients/console/sse.js';

function parsed(pieces) {
  const events = [];
  const parser = new EventParser((event) => events.push(event));
  for (const piece of pieces) parser.push(piece);
  return events;
}
const text = ': following\n\nid: 1\ndata: {"a":1}\n\n:\n\nid: 2\ndata: {"a":\ndata: 2}\n\nid: 3\ndata: not complete';

test('events are the same in one piece and in pieces of one letter', () => {
  const wanted = [
    { id: '1', data: '{"a":1}' },
    { id: '2', data: '{"a":\n2}' },
  ];
  assert.deepEqual(parsed([text]), wanted);
  assert.deepEqual(parsed([...text]), wanted);
});

test('lines may end in CR LF', () => {
  assert.deepEqual(parsed(['id: 1\r\ndata: x\r', '\n\r\n']), [{ id: '1', data: 'x' }]);
});
