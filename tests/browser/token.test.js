// The console of a node with keys: it says what is missing, takes a token from whoever looks, and keeps it to this tab.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { accessibilityProblems, launch, open, program, root, startNode } from './support.js';

let directory;
let key;
let node;
let browser;
let url;
before(async () => {
  directory = mkdtempSync(path.join(root, 'build/browser-test-'));
  key = path.join(directory, 'secret');
  writeFileSync(key, 'a-secret-that-has-more-than-32-characters\n', { mode: 0o600 });
  node = await startNode(['--keys', key]);
  browser = await launch();
  url = `http://${node.http}/console`;
});
after(async () => {
  await browser?.close();
  await node?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function tokenFor(subject, rights) {
  const made = spawnSync(program, ['token', '--key', key, '--subject', subject, '--for', '1h', ...rights], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  return made.stdout.trim();
}
const forOperator = () => tokenFor('ops', ['--operate', '--read', '*', '--publish', 'player/*']);

const health = (page, words) => page.locator('#health-text', { hasText: words }).waitFor();
async function give(page, token) {
  if (!(await page.locator('#token-dialog').isVisible())) await page.click('#token-button');
  await page.fill('#token-input', token);
  await page.getByRole('button', { name: 'Use it' }).click();
}

test('P9 without a token the console shows nothing but that it wants one, and where to put it', async () => {
  const { page, trouble } = await open(browser, url);
  await page.locator('#token-dialog').waitFor();
  await health(page, 'wants a token');
  assert.deepEqual(await accessibilityProblems(page), []);
  // Who closes it is not asked again and again.
  await page.keyboard.press('Escape');
  await page.locator('#problems li', { hasText: 'none was shown' }).waitFor();
  await page.waitForResponse((response) => response.url().endsWith('/stats') && response.status() === 401);
  assert.equal(await page.locator('#token-dialog').isVisible(), false);
  assert.equal(await page.locator('#tiles dd').count(), 0);
  // Each section that is asked says so as well.
  await page.fill('#inspect-entity', 'player/ada');
  await page.click('#inspect-form button');
  await page.locator('#inspection .error', { hasText: 'token' }).waitFor();
  await page.fill('#stream-entity', 'player/ada');
  await page.click('#stream-start');
  await page.locator('#stream-status', { hasText: 'token' }).waitFor();
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('P9 a token that is no good, or not an operator’s, is told from none', async () => {
  const { page, trouble } = await open(browser, url);
  await page.locator('#token-dialog').waitFor();
  await give(page, 'no.token.atall');
  await health(page, 'does not take this token');
  await page.locator('#problems li').waitFor();
  await give(page, tokenFor('ana', ['--read', 'player/ana']));
  await health(page, 'may not see');
  await page.locator('#problems li', { hasText: 'carillon.operate' }).waitFor();
  assert.equal(await page.locator('#tiles dd').count(), 0);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('P9 with an operator’s token everything works, in this tab and until it is forgotten', async () => {
  const token = forOperator();
  const published = await fetch(`http://${node.http}/events/player/ada?type=note`, { method: 'POST', body: '{"n":1}', headers: { Authorization: `Bearer ${token}` } });
  assert.equal(published.status, 200);
  const { page, trouble, asked } = await open(browser, url);
  const addresses = [];
  page.on('request', (request) => addresses.push(request.url()));
  await page.locator('#token-dialog').waitFor();
  await give(page, ` ${token}\n`);
  await health(page, 'All is well');
  await page.locator('#tiles dd').first().waitFor();
  await page.locator('#cluster-view', { hasText: 'alone' }).waitFor();
  await page.locator('#deadletters-status', { hasText: 'No dead letters' }).waitFor();
  await page.fill('#inspect-entity', 'player/ada');
  await page.click('#inspect-form button');
  await page.locator('#inspection dd', { hasText: 'offsets 1 to 1' }).waitFor();
  await page.fill('#stream-entity', 'player/ada');
  await page.click('#stream-start');
  await page.locator('#stream-events').getByText('{"n":1}').waitFor();
  // It outlives a reload, and no other tab has it. It is in no address.
  await page.reload();
  await health(page, 'All is well');
  const other = await page.context().newPage();
  await other.goto(url);
  await health(other, 'wants a token');
  await other.close();
  assert.ok(addresses.length > 0 && addresses.every((address) => !address.includes(token)));
  assert.equal(await page.evaluate(() => localStorage.getItem('carillon.token')), null);
  assert.deepEqual([...asked], [node.http]);
  // Forgotten, nothing of what it showed is left to be seen by who comes next.
  await page.click('#token-button');
  await page.getByRole('button', { name: 'Forget it' }).click();
  await health(page, 'wants a token');
  assert.equal(await page.locator('#tiles dd').count(), 0);
  assert.equal(await page.locator('#stream-events tr').count(), 0);
  assert.deepEqual(trouble, []);
  await page.context().close();
});
