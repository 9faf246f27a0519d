// What was published, compared with what stands in the streams: nothing lost, doubled or out of order.
import assert from 'node:assert/strict';

import { connect } from '../../index.js';

// All events of a stream, up to the offset that it ends at now, as a client sees that has seen nothing before.
export async function readAll(options, stream) {
  const carillon = connect(options);
  try {
    const { last } = await carillon.positions(stream);
    const events = [];
    if (last === 0) return events;
    for await (const event of carillon.follow(stream)) {
      events.push(event);
      if (event.offset === last) return events;
    }
    return assert.fail('the stream ended');
  } finally {
    await carillon.close();
  }
}

export const upTo = (count) => Array.from({ length: count }, (_, i) => i + 1);

// `who` published 1 to `count` to this stream.
export function assertLedger(events, who, count) {
  assert.deepEqual(events.map((event) => event.offset), upTo(events.length), `${who}: offsets`);
  const numbers = events.filter((event) => event.payload.tab === who).map((event) => event.payload.n);
  if (numbers.length === count && numbers.every((n, i) => n === i + 1)) return;
  const first = numbers.findIndex((n, i) => n !== i + 1);
  assert.fail(`${who}: published ${count}, stored ${numbers.length}; at ${first + 1} stands ${numbers.slice(first - 2, first + 5)}`);
}
