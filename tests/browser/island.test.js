// The hunt's map: digs from the hub's mailbox, finds from players' streams, in whatever order they meet.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Island } from '../../examples/hunt/page/island.js';

function islandOf(...ground) {
  const island = new Island();
  island.land({ tide: 3, ground });
  return island;
}

test('who lands sees what was dug before', () => {
  assert.deepEqual(islandOf('.od', 'pgc').ground, [['', 'hole', 'doubloon'], ['pearl', 'gem', 'crown']]);
});

test('a find may come before its dig or after it', () => {
  const island = islandOf('...');
  island.find({ tide: 3, x: 0, y: 0, treasure: 'gem' });
  island.dig({ x: 0, y: 0 });
  island.dig({ x: 1, y: 0 });
  island.find({ tide: 3, x: 1, y: 0, treasure: 'pearl' });
  assert.deepEqual(island.ground, [['gem', 'pearl', '']]);
  assert.deepEqual(island.squaresLeft(), [[2, 0]]);
});

test('the tide comes when it is due; finds stay with their tide', () => {
  const island = islandOf('.o');
  island.find({ tide: 4, x: 1, y: 0, treasure: 'crown' });
  assert.deepEqual(island.ground, [['', 'hole']]);
  island.tideDue({ tide: 3 });
  island.dig({ x: 0, y: 0 });
  assert.equal(island.tide, 3);
  island.tideDue({ tide: 3 });
  island.tideDue({ tide: 3 });
  assert.equal(island.tide, 4);
  assert.deepEqual(island.ground, [['', 'crown']]);
  island.find({ tide: 3, x: 0, y: 0, treasure: 'gem' });
  assert.deepEqual(island.ground, [['', 'crown']]);
});

test('nobody digs in the sea', () => {
  const island = islandOf('..');
  for (const [x, y] of [[2, 0], [0, 1], [-1, 0], [0.5, 0]]) island.dig({ x, y });
  assert.deepEqual(island.ground, [['', '']]);
});
