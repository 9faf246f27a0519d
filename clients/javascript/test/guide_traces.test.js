// What the guide shows of OpenTelemetry works as it stands, with its SDK and a real node.
//
// Goal: the span that a receiver begins belongs to the trace of whoever published, across a hub that made another event of it.
// Method: the guide's own lines, run within a publisher's span; the spans that the SDK exports are looked at.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { connect } from '../index.js';
import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';

const [api, sdk] = await Promise.all([import('@opentelemetry/api'), import('@opentelemetry/sdk-trace-node')]).catch(() => []);
const skip = !hasBinary ? `there is no ${binary}; build it, or set CARILLON_BINARY` : !sdk ? 'OpenTelemetry is not installed here; run npm ci' : false;

let folder;
let node;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  node = await new CarillonNode(folder).start();
});
after(async () => {
  if (skip) return;
  await node?.kill();
  await removeFolder(folder);
});

// The lines under Traces, as a function of what they take from elsewhere.
async function guideLines() {
  const guide = await readFile(new URL('../../../docs/guide-clients.md', import.meta.url), 'utf8');
  const [, lines] = guide.match(/^## Traces$.*?```js\n(.*?)```/ms);
  const AsyncFunction = (async () => {}).constructor;
  return new AsyncFunction('ROOT_CONTEXT', 'context', 'propagation', 'trace', 'carillon', 'show', lines.replace(/^import .*$/m, ''));
}

test('the span of who is notified has the trace of who published, and the publishing span as its parent', { skip, timeout: 30_000 }, async () => {
  const { ROOT_CONTEXT, context, propagation, trace } = api;
  const exporter = new sdk.InMemorySpanExporter();
  const provider = new sdk.NodeTracerProvider({ spanProcessors: [new sdk.SimpleSpanProcessor(exporter)] });
  provider.register();
  const carillon = connect({ addresses: node.webSocket, WebSocket });
  // Given an event of nobody's trace before it,
  await carillon.publish('island/tortuga', 'landed', { player: 'ana' });
  // when the guide's lines publish within a span, and show the two notifications of the hub,
  const shown = [];
  const show = (event) => {
    shown.push([event.type, trace.getActiveSpan().spanContext().traceId]);
    if (shown.length === 2) carillon.close(); // Which ends the lines' loop.
  };
  const lines = await guideLines();
  const publishing = await trace.getTracer('game').startActiveSpan('dig', async (span) => {
    await lines(ROOT_CONTEXT, context, propagation, trace, carillon, show);
    span.end();
    return span.spanContext();
  });
  // then the second is within the publisher's trace, and the first is in one of its own.
  const exported = exporter.getFinishedSpans();
  await provider.shutdown();
  const [[, otherTrace], [type, traceId]] = shown;
  assert.equal(shown.length, 2);
  assert.match(type, /^(hole_dug|treasure_found)$/);
  assert.equal(traceId, publishing.traceId);
  assert.notEqual(otherTrace, publishing.traceId);
  const spans = exported.filter(({ name }) => name.startsWith('notified '));
  assert.deepEqual(spans.map((span) => span.spanContext().traceId), [otherTrace, traceId]);
  assert.equal(spans[1].parentSpanContext.spanId, publishing.spanId);
});
