// The published OpenAPI document: it is valid, the node serves it, and what the node answers is what it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { Validator } from '@seriousme/openapi-schema-validator';
import { eventually, publish, root, startNode } from './support.js';

const document = JSON.parse(readFileSync(path.join(root, 'docs/openapi.json'), 'utf8'));
const ajv = new Ajv({ strict: false });
formats(ajv);
ajv.addFormat('int64', true);
ajv.addSchema({ $id: 'openapi', ...document });

const asked = new Set(); // Operations.
let node;
before(async () => {
  node = await startNode();
  for (let n = 1; n <= 3; ++n) await publish(node, 'player/ada', 'note', { n });
});
after(() => node.stop());

// Sends a request of the operation at `template`, and judges the answer by the document.
async function ask(method, template, { path: target = template, status = 200, ...options } = {}) {
  const operation = document.paths[template][method.toLowerCase()];
  assert.ok(operation, `${method} ${template} is not in the document`);
  asked.add(operation.operationId);
  const response = await fetch(`http://${node.http}${target}`, { method, ...options });
  const text = await response.text();
  assert.equal(response.status, status, text);
  const promised = operation.responses[status];
  assert.ok(promised, `${method} ${template} promises no ${status}`);
  if (!promised.content) return assert.equal(text, '');
  const type = response.headers.get('content-type').split(';')[0];
  assert.ok(promised.content[type], `${method} ${template} promises no ${type}`);
  if (!type.endsWith('json')) return text;
  const body = JSON.parse(text);
  const pointer = `openapi#/paths/${template.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${method.toLowerCase()}/responses/${status}/content/${type.replaceAll('/', '~1')}/schema`;
  const validate = ajv.getSchema(pointer);
  assert.ok(validate, pointer);
  assert.ok(validate(body), `${method} ${target}: ${ajv.errorsText(validate.errors)}: ${text}`);
  return body;
}

test('the document is valid OpenAPI', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors));
});

test('the node serves the document', async () => {
  assert.deepEqual(await ask('GET', '/openapi.json'), document);
});

test('what is published and read', async () => {
  const events = '/events/{kind}/{key}';
  await ask('POST', events, { path: '/events/player/ada?type=note&producer=me&sequence=1', body: '{}' });
  await ask('POST', events, { path: '/events/player/ada?type=note', headers: { 'Idempotency-Key': 'k' }, body: '{}' });
  await ask('POST', events, { path: '/events/player/ada', body: '{}', status: 400 });
  await ask('POST', events, { path: '/events/dragon/1?type=note', body: '{}', status: 404 });
  await ask('POST', events, { path: '/events/player/ada?type=note', body: `{"a":"${'x'.repeat(70_000)}"}`, status: 413 });
  const batch = { producer: 'me', events: [{ sequence: 2, entity: 'player/ada', type: 'note', payload: { a: 1 } }, { sequence: 3, entity: 'dragon/1', type: 'note', payload: {} }] };
  await ask('POST', '/events', { body: JSON.stringify(batch) });
  await ask('POST', '/events', { body: '[]', status: 400 });
  const page = await ask('GET', events, { path: '/events/player/ada?from=2&limit=2' });
  assert.equal(page.events.length, 2);
  const { headers } = await fetch(`http://${node.http}/events/player/ada`);
  await ask('GET', events, { path: '/events/player/ada', headers: { 'If-None-Match': headers.get('etag') }, status: 304 });
  await ask('GET', events, { path: '/events/player/ada?from=99', status: 416 });
  const leave = new AbortController();
  const stream = await fetch(`http://${node.http}/streams/player/ada?from=1`, { signal: leave.signal });
  asked.add('follow');
  assert.equal(stream.headers.get('content-type'), 'text/event-stream');
  leave.abort();
});

test('traces of what is published and read', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const other = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
  const events = '/events/{kind}/{key}';
  await ask('POST', events, { path: '/events/player/bo?type=note', headers: { traceparent }, body: '{}' });
  await ask('POST', events, { path: '/events/player/bo?type=note', headers: { traceparent: 'none' }, body: '{}' });
  const event = { entity: 'player/bo', type: 'note', payload: {} };
  const batch = { producer: 'tracer', events: [{ sequence: 1, ...event, traceparent: other }, { sequence: 2, ...event }] };
  await ask('POST', '/events', { headers: { traceparent }, body: JSON.stringify(batch) });
  const page = await ask('GET', events, { path: '/events/player/bo' });
  assert.deepEqual(page.events.map((read) => read.traceparent), [traceparent, undefined, other, traceparent]);
  // The document names each place where one may stand.
  const named = (parameters) => parameters.some(({ name, in: where }) => name === 'traceparent' && where === 'header');
  assert.ok(named(document.paths[events].post.parameters) && named(document.paths['/events'].post.parameters));
  assert.ok(document.components.schemas.Batch.properties.events.items.properties.traceparent);
  assert.ok(!ajv.compile({ $ref: 'openapi#/components/schemas/Event/properties/traceparent' })('none'));
});

test('positions', async () => {
  const positions = '/positions/{kind}/{key}';
  await ask('PUT', positions, { path: '/positions/player/ada?device=phone&offset=2' });
  await ask('PUT', positions, { path: '/positions/player/ada?device=phone&offset=99', status: 416 });
  await ask('GET', positions, { path: '/positions/player/ada' });
  await ask('GET', positions, { path: '/positions/dragon/1', status: 404 });
});

test('what operators ask', async () => {
  await ask('GET', '/entities/{kind}/{key}', { path: '/entities/player/ada' });
  // A kill by a number that no client can have is refused by the hub, and so becomes a dead letter.
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const kill = JSON.stringify({ killer: 500, victim: 500, means: 'x', at_s: 0 });
  await ask('POST', '/events/{kind}/{key}', { path: '/events/match/1?type=kill', headers: { traceparent }, body: kill });
  const { dead_letters: letters } = await eventually('the event is a dead letter', async () => {
    const list = await ask('GET', '/deadletters/{kind}/{key}', { path: '/deadletters/match/1' });
    return list.dead_letters.length > 0 && list;
  });
  assert.equal(letters[0].entity, 'match/1');
  assert.equal(letters[0].traceparent, traceparent);
  await ask('GET', '/deadletters');
  await ask('POST', '/deadletters/{kind}/{key}', { path: '/deadletters/match/1?offset=1' });
  await ask('DELETE', '/deadletters/{kind}/{key}', { path: '/deadletters/match/1?offset=99', status: 404 });
  const again = await eventually('the redriven event is a dead letter', async () => {
    const list = await ask('GET', '/deadletters/{kind}/{key}', { path: '/deadletters/match/1' });
    return list.dead_letters.find(({ offset }) => offset === 2);
  });
  assert.equal(again.redrive_of, 1);
  const members = document.components.schemas.DeadLetters.properties.dead_letters.items.properties;
  assert.deepEqual(Object.keys(again).filter((member) => !(member in members)), []); // The document names them all.
  await ask('DELETE', '/deadletters/{kind}/{key}', { path: '/deadletters/match/1?offset=2' });
  await ask('GET', '/stats');
  await ask('GET', '/cluster', { status: 503 });
  await ask('GET', '/healthz');
  await ask('GET', '/readyz');
  await ask('GET', '/metrics');
});

test('every operation of the document was asked', () => {
  const all = Object.values(document.paths).flatMap((item) => Object.values(item).map(({ operationId }) => operationId)).filter(Boolean);
  assert.deepEqual([...asked].sort(), all.sort());
});
