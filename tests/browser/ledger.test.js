// The hunt's proof: a ledger that a wrong server could not satisfy.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Ledger, sumOf } from '../../examples/hunt/page/ledger.js';

function ledgerOf(digs) {
  const ledger = new Ledger();
  for (const dig of digs) ledger.asks(dig);
  return ledger;
}

test('digs that are accepted and answered in order are clean', () => {
  const ledger = ledgerOf([1, 2, 3]);
  ledger.sees(7);
  ledger.answers(1);  // Sooner than the word that it was accepted.
  ledger.accepts(1);
  ledger.accepts(2);
  ledger.sees(8);
  ledger.answers(2);
  assert.deepEqual([ledger.asked, ledger.accepted, ledger.answered, ledger.waiting, ledger.lost], [3, 2, 2, 1, 0]);
  assert.ok(ledger.isClean);
});

test('P1 a dig that is passed over is lost', () => {
  const ledger = ledgerOf([1, 2]);
  ledger.answers(2);
  assert.equal(ledger.lost, 1);
  assert.ok(!ledger.isClean);
});

test('P2 an answer that comes twice is doubled', () => {
  const ledger = ledgerOf([1]);
  ledger.answers(1);
  ledger.answers(1);
  assert.equal(ledger.doubled, 1);
  assert.ok(!ledger.isClean);
});

test('P3 an answer that comes late is out of order', () => {
  const ledger = ledgerOf([1, 2]);
  ledger.answers(2);
  ledger.answers(1);
  assert.equal(ledger.disordered, 1);
  assert.equal(ledger.lost, 0);
  assert.ok(!ledger.isClean);
});

test('P4 offsets have neither gaps nor repetitions', () => {
  for (const offsets of [[1, 3], [1, 1], [2, 1]]) {
    const ledger = new Ledger();
    for (const offset of offsets) ledger.sees(offset);
    assert.equal(ledger.gaps, 1, String(offsets));
  }
});

test('digs of other pages, and refused ones, are nobody’s loss', () => {
  const ledger = ledgerOf([1, 2]);
  ledger.answers(99);
  ledger.refuses(1);
  ledger.answers(2);
  assert.deepEqual([ledger.foreign, ledger.refused, ledger.lost, ledger.waiting], [1, 1, 0, 0]);
  assert.ok(ledger.isClean);
});

test('sums are of all players', () => {
  const sum = sumOf([ledgerOf([1, 2]), ledgerOf([3])]);
  assert.deepEqual([sum.asked, sum.waiting, sum.lost], [3, 3, 0]);
});

test('a lost dig stays lost, however many are answered behind it', () => {
  const ledger = ledgerOf([1]);
  for (let dig = 2; dig <= 3000; dig += 1) {
    ledger.asks(dig);
    ledger.answers(dig);
  }
  assert.equal(ledger.lost, 1);
  ledger.answers(3000);
  assert.equal(ledger.doubled, 1);
});
