// The client in Python, written from the protocol page alone (examples/python), against a real node that is killed meanwhile.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { CarillonNode, binary, hasBinary, newFolder, removeFolder } from './support/processes.js';
import { eventually } from './support/eventually.js';

const python = '/usr/bin/python3';
const hasWebSockets = spawnSync(python, ['-c', 'import websockets']).status === 0;
const skip = !hasBinary ? `there is no ${binary}` : !hasWebSockets && "there is no python3-websockets; run ./dev setup";
const example = new URL('../../../examples/python/follow_and_publish.py', import.meta.url).pathname;

test('P1 P2 P3 P4 a client written from the page alone loses, doubles and reorders nothing', { skip, timeout: 60_000 }, async () => {
  const folder = await newFolder();
  const node = await new CarillonNode(folder).start();
  const count = 2_000;
  const program = spawn(python, [example, node.webSocket, 'player/python', 'python-example', String(count)]);
  try {
    let shown = '';
    let errors = '';
    program.stdout.on('data', (chunk) => (shown += chunk));
    program.stderr.on('data', (chunk) => (errors += chunk));
    const lines = () => shown.split('\n').slice(0, -1);
    const write = (from, to) => {
      for (let n = from; n <= to; n += 1) program.stdin.write(`line ${n}\n`);
    };
    write(1, 1_000);
    await eventually(() => lines().length > 100, 'something is shown');
    await node.kill();
    write(1_001, count);
    await node.start();
    const code = await Promise.race([
      new Promise((resolve) => program.once('exit', resolve)),
      new Promise((_, reject) => setTimeout(() => reject(new Error(`not done: ${lines().length} ${errors}`)), 30_000).unref()),
    ]);
    assert.equal(code, 0, errors);
    assert.deepEqual(lines(), Array.from({ length: count }, (_, i) => `${i + 1} line ${i + 1}`));
  } finally {
    program.kill('SIGKILL');
    await node.kill();
    await removeFolder(folder);
  }
});
