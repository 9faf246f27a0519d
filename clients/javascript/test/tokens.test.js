// The client with tokens, against a real node that has keys.
//
// Goal: P9 as an application meets it: who may not is told so, and a token that expires is renewed without anybody noticing.
// Method: the node and its own `carillon token`, so that neither side of the test knows what the other one expects.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { connect } from '../index.js';
import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';
import { eventually } from './support/eventually.js';
import { upTo } from './support/ledger.js';

const skip = hasBinary ? false : `there is no ${binary}; build it, or set CARILLON_BINARY`;
const python = '/usr/bin/python3';
const noPython = spawnSync(python, ['-c', 'import websockets']).status !== 0 && 'there is no python3-websockets; run ./dev setup';
let folder;
let key;
let node;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  key = join(folder, 'secret');
  await writeFile(key, `${'of at least thirty-two characters'.replaceAll(' ', '-')}\n`, { mode: 0o600 });
  node = await new CarillonNode(join(folder, 'node'), ['--keys', key]).start();
});
after(async () => {
  if (skip) return;
  await node?.kill();
  await removeFolder(folder);
});

const own = ['--read', 'player/{sub}', '--publish', 'player/{sub}'];
function tokenFor(subject, life, rights = own, by = key) {
  const words = ['token', '--key', by, '--subject', subject, '--for', life, ...rights];
  const { status, stdout, stderr } = spawnSync(binary, words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}
const client = (token) => connect({ addresses: node.webSocket, WebSocket, token, reconnectFirstMs: 10, reconnectLongestMs: 100 });

test('P9 a token that expires is renewed, and neither what is published nor what is shown notices', { skip, timeout: 60_000 }, async () => {
  const lives = ['3s']; // The node warns of it at once.
  const carillon = client(() => tokenFor('ana', lives.pop() ?? '1h'));
  const states = [];
  await eventually(() => carillon.state === 'open', 'open');
  carillon.on('state', ({ state, error }) => states.push(`${state} ${error?.message}`));
  const reader = carillon.follow('player/ana', { from: 1 });
  const begun = Date.now();
  let published = 0;
  while (Date.now() - begun < 4_000) await carillon.publish('player/ana', 'note', { n: (published += 1) });
  const shown = [];
  while (shown.length < published) shown.push((await reader.next()).value.payload.n);
  await carillon.close();
  assert.deepEqual(shown, upTo(published));
  assert.deepEqual(states, ['closed the client was closed']);
});

// A token of a key that the node does not know.
async function foreignToken(subject, life) {
  const foreign = join(folder, 'foreign');
  await writeFile(foreign, 'another-key-of-at-least-thirty-two-characters\n', { mode: 0o600 });
  return tokenFor(subject, life, own, foreign);
}

// A client whose first token holds for three seconds, of which the node warns at once, and what it hears. The later ones are
// given in turn; the last one of them again and again.
async function clientWithLater(later) {
  const lives = [tokenFor('ana', '3s'), ...later];
  const carillon = client(() => (lives.length > 1 ? lives.shift() : lives[0]));
  const refused = [];
  const states = [];
  carillon.on('token_refused', ({ error, expiresAt }) => refused.push({ code: error.code, state: carillon.state, expiresAt }));
  await eventually(() => carillon.state === 'open', 'open');
  carillon.on('state', ({ state, error }) => states.push([state, error?.code].filter(Boolean).join(' ')));
  await eventually(() => refused.length > 0, 'the renewal is refused');
  return { carillon, refused, states };
}

test('P9 a refused renewal is told; the old token holds until it expires, and a good one goes on without a gap', { skip, timeout: 60_000 }, async () => {
  const { carillon, refused, states } = await clientWithLater([await foreignToken('ana', '1h'), tokenFor('ana', '1h')]);
  const { code, state, expiresAt } = refused[0];
  assert.deepEqual([code, state], ['unauthenticated', 'open']);
  const leftMs = Date.parse(expiresAt) - Date.now();
  assert.ok(leftMs > 0 && leftMs <= 3_000, `${leftMs} ms are left`);
  const reader = carillon.follow('player/ana', { from: 'end' });
  let published = 0;
  while (!states.includes('open')) await carillon.publish('player/ana', 'renewed', { n: (published += 1) });
  const shown = [];
  while (shown.length < published) shown.push((await reader.next()).value);
  const numbers = shown.filter(({ type }) => type === 'renewed').map(({ payload }) => payload.n);
  // `from: 'end'` is where the node has got to when it is asked: behind the first ones, perhaps.
  assert.deepEqual(numbers, upTo(published).slice(published - numbers.length));
  assert.deepEqual(states, ['waiting unauthenticated', 'connecting', 'open']);
  assert.equal(refused.length, 1);
  await carillon.close();
});

test('P9 an application that gives nothing but refused tokens is told, and then its reads and publishes fail', { skip, timeout: 60_000 }, async () => {
  const { carillon, refused, states } = await clientWithLater([await foreignToken('ana', '1h')]);
  const reader = carillon.follow('player/ana', { from: 'end' });
  await carillon.publish('player/ana', 'before', {});
  const ended = (async () => {
    for await (const event of reader) assert.equal(event.type, 'before');
  })();
  ended.catch(() => {}); // It is looked at below.
  await eventually(() => states.includes('waiting unauthenticated'), 'the old token has expired');
  await assert.rejects(carillon.publish('player/ana', 'after', {}), { code: 'unauthenticated', message: /^5 tokens in a row were refused/ });
  await assert.rejects(ended, { code: 'unauthenticated' });
  assert.equal(states.at(-1), 'closed unauthenticated');
  assert.deepEqual(refused.map(({ state }) => state), ['open', ...Array(5).fill('connecting')]);
  await assert.rejects(carillon.publish('player/ana', 'later', {}), { code: 'closed', message: /tokens in a row were refused/ });
});

test('P9 a new token of somebody else is refused as forbidden, and nothing is published in their name', { skip, timeout: 60_000 }, async () => {
  const { carillon, refused, states } = await clientWithLater([tokenFor('bob', '1h')]);
  assert.deepEqual([refused[0].code, refused[0].state], ['forbidden', 'open']);
  await eventually(() => states.includes('waiting unauthenticated'), 'the old token has expired');
  await assert.rejects(carillon.publish('player/ana', 'note', {}), { code: 'forbidden', message: /the token is bob's/ });
  assert.deepEqual(states, ['waiting unauthenticated', 'connecting', 'open', 'closed forbidden']);
});

test('P9 who shows no token, or one that no longer holds, is told so for good', { skip, timeout: 30_000 }, async () => {
  for (const token of [undefined, 'no.token.atall', tokenFor('ana', '1s')]) {
    const carillon = client(token);
    await eventually(() => carillon.state === 'closed', 'closed');
    await assert.rejects(carillon.publish('player/ana', 'note', {}), { code: 'closed' });
  }
});

test('P9 first tokens that are of no use are made good by the next one', { skip, timeout: 30_000 }, async () => {
  const given = [undefined, '', 'opaque', 'two words', tokenFor('ana', '1h')];
  const carillon = client(() => given.shift());
  const refused = [];
  carillon.on('token_refused', ({ error }) => refused.push(error.code));
  const { producer } = await carillon.publish('player/ana', 'note', {});
  assert.match(producer, /^ana\//);
  assert.deepEqual(refused, Array(4).fill('unauthenticated'));
  await carillon.close();
});

test('P9 what a token does not allow is refused as forbidden, and the rest goes on', { skip, timeout: 30_000 }, async () => {
  const carillon = client(tokenFor('ana', '1h'));
  await assert.rejects(carillon.publish('player/bob', 'note', {}), { code: 'forbidden' });
  await assert.rejects(carillon.follow('player/bob', { from: 1 }).next(), { code: 'forbidden' });
  await assert.rejects(carillon.positions('player/bob'), { code: 'forbidden' });
  const { producer } = await carillon.publish('player/ana', 'note', {});
  assert.match(producer, /^ana\//);
  await carillon.close();
});

test('P9 the example in Python shows its token, and without one says what is missing', { skip: skip || noPython, timeout: 30_000 }, () => {
  const example = new URL('../../../examples/python/follow_and_publish.py', import.meta.url).pathname;
  const run = (environment) => {
    const words = [example, node.webSocket, 'player/python', 'python/example', '2'];
    const { CARILLON_TOKEN, ...others } = process.env;
    return spawnSync(python, words, { input: 'one\ntwo\n', encoding: 'utf8', env: { ...others, ...environment }, timeout: 10_000 });
  };
  const refused = run({});
  assert.equal(refused.status, 1, refused.stderr);
  assert.match(refused.stderr, /token/);
  assert.doesNotMatch(refused.stderr, /Traceback/);
  const allowed = run({ CARILLON_TOKEN: tokenFor('python', '1h') });
  assert.equal(allowed.stdout, '1 one\n2 two\n', allowed.stderr);
});
