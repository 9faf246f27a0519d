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

test('whoever must wait for some time at least is spread over as much again, and more each time', () => {
  const pausesWith = (dice) => {
    const backoff = new Backoff({ firstMs: 100, longestMs: 5_000, random: () => dice });
    return [1, 2, 3].map(() => backoff.next(1_000));
  };
  assert.deepEqual(pausesWith(0), [1_500, 2_000, 3_000]);
  assert.deepEqual(pausesWith(1), [2_500, 4_000, 7_000]);
});

test('a long wait is not made longer by more than the longest pause', () => {
  const backoff = new Backoff({ firstMs: 100, longestMs: 500, random: () => 0.5 });
  assert.deepEqual([1, 2].map(() => backoff.next(60_000)), [60_500, 60_500]);
});
