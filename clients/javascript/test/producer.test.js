// What one producer sends, over which connection.
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Ledger, MemoryStorage } from '../lib/ledger.js';
import { Producer } from '../lib/producer.js';
import { FakeClock } from './support/fake_clock.js';

let clock;
let part;
let sent; // Sequences, by call.
beforeEach(() => {
  clock = new FakeClock();
  part = new Ledger(new MemoryStorage(), { queue: 'carillon', user: '', suffix: 'tab-1' }).begin('js-1');
  sent = [];
});

function newLine() {
  const line = {
    up: true,
    isUp: () => line.up,
    welcome: { message_bytes_max: 2_024 },
    request: (build) => sent.push(JSON.parse(build(1)).publish.events.map((event) => event.sequence)),
  };
  return line;
}

const tooLarge = `"text":"${'x'.repeat(2_000)}"}`;

test('P3 over a line that is down nothing is sent, nor taken for sent, nor refused', () => {
  const refused = [];
  const producer = new Producer(part, clock, { refused: ({ sequence }) => refused.push(sequence), settled() {} });
  producer.publish('"n":1}', null);
  producer.publish(tooLarge, null);
  const down = newLine();
  down.up = false;
  producer.flush(down);
  assert.deepEqual([sent, refused], [[], []]);
  producer.flush(newLine());
  assert.deepEqual([sent, refused], [[[1]], [2]]);
});

test('P3 nor when it goes down while the application is told of a refusal', () => {
  const line = newLine();
  const producer = new Producer(part, clock, { refused: () => (line.up = false), settled() {} });
  producer.publish(tooLarge, null);
  producer.publish('"n":2}', null);
  producer.flush(line);
  assert.deepEqual(sent, []);
  producer.flush(newLine());
  assert.deepEqual(sent, [[2]]);
});
