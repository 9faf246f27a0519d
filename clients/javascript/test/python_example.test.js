// The client in Python, written from the protocol page alone (examples/python), against a real node that is killed meanwhile, and
// against a gateway that refuses.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';

import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';
import { ModelGateway } from './support/model_gateway.js';
import { eventually } from './support/eventually.js';
import { upTo } from './support/ledger.js';

const python = '/usr/bin/python3';
const hasWebSockets = spawnSync(python, ['-c', 'import websockets']).status === 0;
const noPython = !hasWebSockets && 'there is no python3-websockets; run ./dev setup';
const skip = hasBinary ? noPython : `there is no ${binary}`;
const path = new URL('../../../examples/python/follow_and_publish.py', import.meta.url).pathname;

let folder;
let programs;
beforeEach(async () => {
  folder = await newFolder();
  programs = [];
});
afterEach(async () => {
  for (const program of programs) program.kill('SIGKILL');
  await removeFolder(folder);
});

// The example, until `show` events are shown. Without `input`, lines can be written to it.
class Example {
  #program;
  #shown = '';
  errors = '';

  constructor(address, show, input) {
    const stdin = input === undefined ? 'pipe' : this.#fileWith(input);
    const words = [path, address, 'player/python', 'python-example', String(show)];
    this.#program = spawn(python, words, { stdio: [stdin, 'pipe', 'pipe'] });
    programs.push(this.#program);
    this.#program.stdout.setEncoding('utf8').on('data', (chunk) => (this.#shown += chunk));
    this.#program.stderr.setEncoding('utf8').on('data', (chunk) => (this.errors += chunk));
    this.code = new Promise((resolve, reject) => {
      this.#program.once('close', resolve);
      setTimeout(() => reject(new Error(`not done: ${this.lines.length} ${this.errors}`)), 30_000).unref();
    });
  }

  #fileWith(input) {
    const file = join(folder, 'input');
    writeFileSync(file, input);
    return openSync(file);
  }

  get lines() {
    return this.#shown.split('\n').slice(0, -1);
  }

  write(text) {
    this.#program.stdin.write(text);
  }
}

async function nodeFor(t, ...more) {
  const node = await new CarillonNode(join(folder, 'node'), more).start();
  t.after(() => node.kill());
  return node;
}

test('P1 P2 P3 P4 a client written from the page alone loses, doubles and reorders nothing', { skip, timeout: 60_000 }, async (t) => {
  const node = await nodeFor(t);
  const count = 2_000;
  const example = new Example(node.webSocket, count);
  const write = (from, to) => {
    for (let n = from; n <= to; n += 1) example.write(`line ${n}\n`);
  };
  write(1, 1_000);
  await eventually(() => example.lines.length > 100, 'something is shown');
  await node.kill();
  write(1_001, count);
  await node.start();
  assert.equal(await example.code, 0, example.errors);
  assert.deepEqual(example.lines, upTo(count).map((n) => `${n} line ${n}`));
});

test('P7 long lines of a file go in messages that a node takes, and one that is too long is refused by its number', { skip, timeout: 60_000 }, async (t) => {
  const node = await nodeFor(t);
  const fitting = [...Array(399).fill('x'.repeat(11 * 1_024)), 'é'.repeat(30_000)];
  const example = new Example(node.webSocket, fitting.length, ['x'.repeat(70_000), ...fitting, ''].join('\n'));
  assert.equal(await example.code, 0, example.errors);
  assert.equal(example.errors, 'line 1: too long\n');
  assert.deepEqual(example.lines, fitting.map((line, index) => `${index + 1} ${line}`));
});

// What the gateway does with the first follows of the example, which has one line to publish; the next one it takes. Gives the
// milliseconds between them, and the number of connections.
async function followedAfter(t, ...refusals) {
  const gateway = await new ModelGateway().start();
  t.after(() => gateway.kill());
  const asked = [];
  gateway.on_follow = (socket, body) => {
    asked.push(performance.now());
    const refuse = refusals.shift();
    if (refuse) refuse(socket, body);
    else ModelGateway.prototype.on_follow.call(gateway, socket, body);
  };
  const example = new Example(gateway.address, 1, 'one\n');
  assert.equal(await example.code, 0, example.errors);
  assert.deepEqual(example.lines, ['1 one']);
  return { pausesMs: asked.slice(1).map((at, index) => at - asked[index]), connections: gateway.connections };
}

test('P7 a follow that is put off is asked again on the same connection, when it is time', { skip: noPython, timeout: 30_000 }, async (t) => {
  const putOff = (socket, { id }) => socket.answer({ ended: { id, error: 'overloaded', message: 'later', retry_after_ms: 400 } });
  const { pausesMs, connections } = await followedAfter(t, putOff);
  assert.equal(connections, 1);
  assert.ok(pausesMs[0] >= 400, `${pausesMs}`);
});

test('P7 who is sent away for too many waits as long as it is told, a second at least', { skip: noPython, timeout: 30_000 }, async (t) => {
  const limit = (more) => (socket) => {
    socket.answer({ error: { error: 'limit_exceeded', message: 'too many connections', ...more } });
    socket.close(4429);
  };
  const { pausesMs } = await followedAfter(t, limit(), limit({ retry_after_ms: 2_500 }));
  assert.ok(pausesMs[0] >= 1_000 && pausesMs[1] >= 2_500, `${pausesMs}`);
});

test('P7 pauses grow also when each connection ends as soon as it has begun', { skip: noPython, timeout: 30_000 }, async (t) => {
  const end = (socket) => socket.terminate();
  const { pausesMs } = await followedAfter(t, end, end, end, end);
  assert.ok(pausesMs[3] >= 400, `${pausesMs}`);
});

test('what goes wrong inside ends the program, and is said', { skip: noPython, timeout: 30_000 }, async (t) => {
  const gateway = await new ModelGateway().start();
  t.after(() => gateway.kill());
  // Given an input that is no UTF-8, and an answer that makes no sense,
  const unreadable = new Example(gateway.address, 2, Buffer.from('one\n\xff\n', 'latin1'));
  assert.equal(await unreadable.code, 1);
  assert.match(unreadable.errors, /UnicodeDecodeError/);
  gateway.on_publish = (socket, { id }) => socket.answer({ published: { id, refusals: [{ error: 'unknown_type' }] } });
  const answered = new Example(gateway.address, 2, 'one\n');
  assert.equal(await answered.code, 1);
  assert.match(answered.errors, /KeyError: 'index'/);
});
