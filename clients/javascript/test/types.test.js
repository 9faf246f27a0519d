// The types say what there is: an application compiles against them, and what they export exists.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import WebSocket from 'ws';

import * as library from '../index.js';

const here = (path) => new URL(path, import.meta.url).pathname;

test('an application compiles against index.d.ts', async () => {
  const tsc = here('../node_modules/.bin/tsc');
  const run = promisify(execFile)(tsc, ['--project', here('tsconfig.json')]);
  await run.catch((error) => assert.fail(error.stdout));
});

test('what index.d.ts declares is there', async () => {
  const types = await readFile(here('../index.d.ts'), 'utf8');
  const exported = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(library).sort(), exported.sort());
  const members = types.match(/export interface Carillon \{(.*?)\n\}/s)[1];
  const names = new Set([...members.matchAll(/^  (?:readonly )?(\w+)[<(:]/gm)].map((match) => match[1]));
  const carillon = library.connect({ addresses: 'ws://127.0.0.1:1/ws', WebSocket });
  await carillon.close();
  for (const name of names) assert.ok(name in carillon, name);
  const own = Object.getOwnPropertyNames(Object.getPrototypeOf(carillon)).filter((name) => !['constructor'].includes(name));
  assert.deepEqual(own.filter((name) => !names.has(name) && !name.startsWith('_')), []);
});
