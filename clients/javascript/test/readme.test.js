// What the README shows works as it stands.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import WebSocket from 'ws';

import * as library from '../index.js';
import { ModelGateway } from './support/model_gateway.js';

test('the quick start runs', async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const snippet = readme.match(/```js\n(.*?)```/s)[1].replace(/^import .*$/m, '');
  const gateway = await new ModelGateway().start();
  try {
    const connect = (options) => {
      assert.deepEqual(options, { addresses: ['ws://127.0.0.1:7480/ws'] });
      return library.connect({ addresses: gateway.address, WebSocket });
    };
    const logged = [];
    const AsyncFunction = (async () => {}).constructor;
    await new AsyncFunction('connect', 'console', snippet)(connect, { log: (...words) => logged.push(words) });
    assert.deepEqual(logged, [[1, 'hello', { text: 'hi' }]]);
    assert.equal(gateway.positions.get('player/ana').get('phone'), 1);
  } finally {
    await gateway.kill();
  }
});
