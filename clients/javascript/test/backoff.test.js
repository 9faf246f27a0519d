import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../lib/backoff.js';

test('pauses double up to the longest, and begin again after a reset', () => {
  const backoff = new Backoff({ firstMs: 100, longestMs: 500, random: () => 0.5 });
  assert.deepEqual([1, 2, 3, 4, 5].map(() => backoff.next()), [100, 200, 400, 500, 500]);
  backoff.reset();
  assert.equal(backoff.next(), 100);
});

test('each pause is between half of the step and one and a half', () => {
  assert.equal(new Backoff({ firstMs: 100, random: () => 0 }).next(), 50);
  assert.equal(new Backoff({ firstMs: 100, random: () => 1 }).next(), 150);
});
