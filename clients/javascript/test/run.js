// Runs the tests: `node test/run.js [GROUP…] [--kills N]`. Groups: unit, node, browser, cluster; by default all but cluster.
// Environment: CARILLON_BINARY (default ../../build/carillon), CARILLON_CHROMIUM, CARILLON_SEED.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const folder = new URL('.', import.meta.url).pathname;
const words = process.argv.slice(2);
const at = words.indexOf('--kills');
const kills = at < 0 ? undefined : words.splice(at, 2)[1];
const groups = words.length > 0 ? words : ['unit', 'node', 'browser'];

const all = readdirSync(folder).filter((name) => name.endsWith('.test.js'));
const files = groups.flatMap((group) => {
  if (group === 'unit') return all.filter((name) => !name.startsWith('kills_'));
  const name = `kills_${group}.test.js`;
  if (all.includes(name)) return [name];
  console.error(`there is no group of tests called ${group}`);
  process.exit(2);
});
const environment = kills === undefined ? process.env : { ...process.env, CARILLON_KILLS: kills };
const { status } = spawnSync(process.execPath, ['--test', ...files.map((name) => folder + name)], { stdio: 'inherit', env: environment });
process.exit(status ?? 1);
