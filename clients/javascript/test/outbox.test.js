// What one producer sends next, and what an answer means (P2, P3).
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CarillonError } from '../lib/errors.js';
import { Outbox } from '../lib/outbox.js';

const sequences = (call) => call?.entries.map((entry) => entry.sequence) ?? null;

function outboxWith(count, limits) {
  const outbox = new Outbox(limits);
  for (let sequence = 1; sequence <= count; sequence += 1) outbox.offer({ sequence, bytes: 100 });
  return outbox;
}
const refusal = (index, code, retryAfterMs) => ({ index, error: new CarillonError(code, 'a test', { retryAfterMs }) });

test('P3 events are sent in order, in batches within the limits', () => {
  const outbox = outboxWith(5, { batchEventsMax: 2, callsMax: 2 });
  assert.deepEqual(sequences(outbox.nextCall()), [1, 2]);
  assert.deepEqual(sequences(outbox.nextCall()), [3, 4]);
  assert.equal(outbox.nextCall(), null, 'two calls are under way');
});

test('a batch ends before it has too many bytes, but a large event goes alone', () => {
  const outbox = outboxWith(3, { batchBytesMax: 250 });
  assert.deepEqual(sequences(outbox.nextCall()), [1, 2]);
  const large = new Outbox({ batchBytesMax: 250 });
  large.offer({ sequence: 1, bytes: 1_000 });
  assert.deepEqual(sequences(large.nextCall()), [1]);
});

test('sequences that do not grow are a mistake of the caller', () => {
  const outbox = outboxWith(2);
  assert.throws(() => outbox.offer({ sequence: 2, bytes: 1 }), RangeError);
});

test('P2 what is under way spans less than the 1,024 sequences of the window', () => {
  const outbox = new Outbox();
  for (const sequence of [1, 1_024, 1_025]) outbox.offer({ sequence, bytes: 1 });
  const call = outbox.nextCall();
  assert.deepEqual(sequences(call), [1, 1_024]);
  assert.equal(outbox.nextCall(), null);
  outbox.answered(call, []);
  assert.deepEqual(sequences(outbox.nextCall()), [1_025]);
});

test('P3 after a refusal that passes, it begins again at the first refused event, once all is answered', () => {
  const outbox = outboxWith(6, { batchEventsMax: 2 });
  const [first, second, third] = [outbox.nextCall(), outbox.nextCall(), outbox.nextCall()];
  assert.equal(outbox.answered(first, [refusal(1, 'overloaded', 20)]).pauseMs, null, 'two calls are still under way');
  assert.equal(outbox.nextCall(), null);
  outbox.answered(second, [refusal(0, 'overloaded', 20), refusal(1, 'overloaded', 20)]);
  const { accepted, pauseMs } = outbox.answered(third, [refusal(0, 'unavailable', 500)]);
  assert.deepEqual(accepted.map((entry) => entry.sequence), [6], 'another partition took it');
  assert.equal(pauseMs, 500, 'the longest of what was asked for');
  outbox.resume();
  assert.deepEqual(sequences(outbox.nextCall()), [2, 3]);
  assert.deepEqual(sequences(outbox.nextCall()), [4, 5], 'what is settled is not sent again');
});

test('a final refusal settles that event only', () => {
  const outbox = outboxWith(3);
  const { accepted, refused, pauseMs } = outbox.answered(outbox.nextCall(), [refusal(1, 'unknown_type')]);
  assert.deepEqual(accepted.map((entry) => entry.sequence), [1, 3]);
  assert.deepEqual(refused.map(({ entry, error }) => [entry.sequence, error.code]), [[2, 'unknown_type']]);
  assert.equal(pauseMs, null);
  assert.ok(outbox.isEmpty);
});

test('a batch that is too large is halved, and its events are kept', () => {
  const outbox = outboxWith(4);
  const { refused, pauseMs } = outbox.answered(outbox.nextCall(), [0, 1, 2, 3].map((index) => refusal(index, 'limit_exceeded')));
  assert.deepEqual(refused, []);
  assert.ok(pauseMs > 0);
  outbox.resume();
  assert.deepEqual(sequences(outbox.nextCall()), [1, 2]);
});

test('limit_exceeded for an event alone is final', () => {
  const outbox = outboxWith(1);
  assert.equal(outbox.answered(outbox.nextCall(), [refusal(0, 'limit_exceeded')]).refused.length, 1);
});

test('a call that is refused as a whole refuses each of its events', () => {
  const outbox = outboxWith(2);
  assert.equal(outbox.refused(outbox.nextCall(), new CarillonError('forbidden', 'a test')).refused.length, 2);
});

test('P2 after a lost connection everything unsettled is sent again, and late answers change nothing', () => {
  const outbox = outboxWith(4, { batchEventsMax: 2 });
  const [first, second] = [outbox.nextCall(), outbox.nextCall()];
  outbox.answered(first, []);
  outbox.disconnected();
  assert.deepEqual(outbox.answered(second, []), { accepted: [], refused: [], pauseMs: null });
  assert.deepEqual(sequences(outbox.nextCall()), [3, 4]);
});

test('what no message can carry is refused here', () => {
  const outbox = new Outbox();
  outbox.offer({ sequence: 1, bytes: 10 });
  outbox.offer({ sequence: 2, bytes: 1_000 });
  outbox.offer({ sequence: 3, bytes: 10 });
  const refused = outbox.refuseLargerThan(500);
  assert.deepEqual(refused.map(({ entry, error }) => [entry.sequence, error.code]), [[2, 'payload_too_large']]);
  assert.deepEqual(sequences(outbox.nextCall()), [1, 3]);
});

// Goal: P2 and P3 whatever the gateway answers.
// Method: a random gateway that keeps the page's rules (go-back-N per connection) and now and then refuses, or is lost
// before or after it took a call in; what it has accepted in the end is compared with what was offered.
test('P2 P3 a thousand random lives end with every event accepted once and in order', () => {
  for (let seed = 1; seed <= 1_000; seed += 1) {
    let state = seed;
    const dice = (sides) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * sides);
    };
    const outbox = new Outbox({ batchEventsMax: 1 + dice(4), callsMax: 1 + dice(3) });
    const stored = [];
    let floor = Infinity; // The first refused sequence on this connection.
    let under_way = []; // [call, refusals] in the order sent.
    let offered = 0;
    for (let step = 0; step < 100_000 && (offered < 30 || !outbox.isEmpty); step += 1) {
      const what = dice(10);
      if (what < 3 && offered < 30) outbox.offer({ sequence: (offered += 1) * 3, bytes: 10 });
      if (what === 3 && dice(4) === 0) {
        outbox.disconnected();
        under_way = [];
        floor = Infinity;
      }
      const call = what < 8 ? outbox.nextCall() : null;
      if (call !== null) {
        const refusals = [];
        call.entries.forEach(({ sequence }, index) => {
          if (sequence === floor) floor = Infinity;
          if (sequence > floor || dice(6) === 0) {
            floor = Math.min(floor, sequence);
            refusals.push(refusal(index, 'overloaded', 1));
          } else if (!stored.includes(sequence)) {
            stored.push(sequence);
          }
        });
        under_way.push([call, refusals]);
      }
      if (what >= 8 && under_way.length > 0) {
        const [[answered, refusals]] = under_way.splice(dice(under_way.length), 1); // Answers come in any order.
        if (outbox.answered(answered, refusals).pauseMs !== null) outbox.resume();
      }
    }
    assert.ok(outbox.isEmpty, `seed ${seed}`);
    assert.deepEqual(stored, Array.from({ length: 30 }, (_, i) => (i + 1) * 3), `seed ${seed}`);
  }
});

test('what a slow network does not get through before the gateway gives up is sent in smaller parts', () => {
  // Given a connection that ends before the first call is through, again and again.
  const outbox = outboxWith(16, { batchEventsMax: 8, callsMax: 2 });
  assert.equal(sequences(outbox.nextCall()).length, 8);
  assert.equal(sequences(outbox.nextCall()).length, 8);
  outbox.disconnected();
  // Then there is less in a call, and one at a time,
  assert.equal(sequences(outbox.nextCall()).length, 4);
  assert.equal(outbox.nextCall(), null);
  outbox.disconnected();
  outbox.disconnected();
  const call = outbox.nextCall();
  assert.deepEqual(sequences(call), [1, 2]);
  // and more again, once they get through.
  outbox.answered(call, []);
  const next = outbox.nextCall();
  assert.deepEqual(sequences(next), [3, 4, 5, 6]);
  outbox.answered(next, []);
  assert.equal(sequences(outbox.nextCall()).length, 8);
  assert.equal(sequences(outbox.nextCall()).length, 2);
  // A connection that is lost later says nothing of that.
  outbox.disconnected();
  assert.equal(sequences(outbox.nextCall()).length, 8);
});
