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
function tokenFor(subject, life, rights = own) {
  const words = ['token', '--key', key, '--subject', subject, '--for', life, ...rights];
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

test('P9 who shows no token, or one that no longer holds, is told so for good', { skip, timeout: 30_000 }, async () => {
  for (const token of [undefined, 'no.token.atall', tokenFor('ana', '1s')]) {
    const carillon = client(token);
    await eventually(() => carillon.state === 'closed', 'closed');
    await assert.rejects(carillon.publish('player/ana', 'note', {}), { code: 'closed' });
  }
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
