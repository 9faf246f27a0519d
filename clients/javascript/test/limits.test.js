// The client at a node that limits what one address may do (docs/security.md, Limits).
//
// Goal: P2, P3, P7: a page that publishes and asks for more than it may is slowed down; nothing is lost, doubled or out of order,
// and no promise is broken. Method: a limit that all of it exceeds several times over, against a real node.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { connect } from '../index.js';
import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';
import { upTo } from './support/ledger.js';

const skip = hasBinary ? false : `there is no ${binary}; build it, or set CARILLON_BINARY`;
const PER_SECOND = 100; // Four seconds' worth may come at once.
let folder;
let node;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  const limits = ['--unlimited-addresses', '', '--address-events-per-second', String(PER_SECOND)];
  node = await new CarillonNode(join(folder, 'node'), limits).start();
});
after(async () => {
  if (skip) return;
  await node?.kill();
  await removeFolder(folder);
});

test('P2 P3 P7 who publishes too much waits, and everything arrives once and in order', { skip, timeout: 60_000 }, async (t) => {
  const carillon = connect({ addresses: node.webSocket, WebSocket, reconnectFirstMs: 10, reconnectLongestMs: 100 });
  t.after(() => carillon.close());
  const states = [];
  carillon.on('state', ({ state }) => states.push(state));
  const begun = Date.now();
  const events = 800;
  const published = upTo(events).map((n) => carillon.publish('player/ana', 'note', { n }));
  const reader = carillon.follow('player/ana', { from: 1 });
  const shown = [];
  while (shown.length < events) shown.push((await reader.next()).value.payload.n);
  await Promise.all(published);
  assert.deepEqual(shown, upTo(events));
  assert.ok(Date.now() - begun >= (1_000 * (events - 4 * PER_SECOND)) / PER_SECOND - 500, 'it was slowed down');
  // What is asked beside it is answered as well, later.
  const positions = await Promise.all(upTo(150).map(() => carillon.positions('player/ana')));
  assert.equal(positions.length, 150);
  assert.ok(!states.includes('waiting'), 'the connection was never lost');
});
