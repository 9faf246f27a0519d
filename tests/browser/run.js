// Runs the tests of this folder, or those files whose names begin with one of the arguments. Exit code 77: something is missing.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const skip = (why) => {
  console.log(`skipped: ${why}`);
  process.exit(77);
};

if (!existsSync('/usr/bin/chromium')) skip('there is no /usr/bin/chromium; apt-get install chromium');
const changedAt = (name) => statSync(path.join(here, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
if (changedAt('node_modules/.package-lock.json') <= changedAt('package-lock.json')) {
  const installed = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: here, stdio: 'inherit' });
  if (installed.error) skip('there is no npm; apt-get install nodejs npm');
  if (installed.status !== 0) skip('npm could not install what package.json names');
}
const wanted = process.argv.slice(2);
const files = readdirSync(here).filter((name) => name.endsWith('.test.js') && (wanted.length === 0 || wanted.some((start) => name.startsWith(start))));
const ran = spawnSync(process.execPath, ['--test', '--test-concurrency=1', ...files.map((name) => path.join(here, name))], { stdio: 'inherit' });
process.exit(ran.status ?? 1);
