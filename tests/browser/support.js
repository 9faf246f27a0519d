// A node (or a demo) of its own process and data directory, and a browser to look at it with.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const program = process.env.CARILLON_PROGRAM ?? path.join(root, 'build/carillon');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Waits until `condition` gives something true; fails with `what` after a while.
export async function eventually(what, condition, withinMs = 20_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) assert.fail(`not within ${withinMs} ms: ${what}`);
    await pause(50);
  }
}

async function start(command, options) {
  const directory = mkdtempSync(path.join(root, 'build/browser-test-'));
  const ready = path.join(directory, 'ready');
  const child = spawn(program, [command, '--data', path.join(directory, 'data'), '--ready-file', ready, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (bytes) => (said += bytes));
  const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  try {
    await eventually(`${command} is ready`, () => {
      assert.equal(child.exitCode, null, `${command} has ended: ${said}`);
      return existsSync(ready);
    }, 60_000);
  } catch (error) {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true });
    throw error;
  }
  return {
    ...JSON.parse(readFileSync(ready, 'utf8')),
    async stop() {
      child.kill('SIGTERM');
      assert.equal(await ended, 0, said);
      rmSync(directory, { recursive: true });
    },
  };
}

export const startNode = (options = []) => start('serve', ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', ...options]);
export const startDemo = (options = []) => start('demo', ['--listen', '127.0.0.1:0', ...options]);

export const entityPath = (entity) => entity.split('/').map(encodeURIComponent).join('/');

export async function publish(node, entity, type, payload, headers = {}) {
  const response = await fetch(`http://${node.http}/events/${entityPath(entity)}?type=${type}`, { method: 'POST', headers, body: JSON.stringify(payload) });
  assert.equal(response.status, 200, await response.text());
}

// Each with a new, empty profile.
export const launch = () =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });

// A page of a context of its own. `trouble` collects what went wrong in it; `asked` whom it asked for anything.
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  const trouble = [];
  const asked = new Set();
  page.on('pageerror', (error) => trouble.push(String(error)));
  page.on('console', (message) => {
    // That a node is away is said by the browser itself, for each attempt.
    if (message.type() === 'error' && !/Failed to load resource|WebSocket connection|net::ERR/.test(message.text())) trouble.push(message.text());
  });
  page.on('request', (request) => asked.add(new URL(request.url()).host));
  page.on('websocket', (socket) => asked.add(new URL(socket.url()).host));
  await options.before?.(page);
  await page.goto(url);
  return { page, trouble, asked };
}

// What axe-core finds wrong, as sentences. Not subject to the page's Content-Security-Policy, as an extension's script is not.
export async function accessibilityProblems(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => `${node.target.join(' ')} (${node.failureSummary})`).slice(0, 3).join('; ')}`);
}

// Nothing of the page is cut off or has to be scrolled to sideways.
export const isWithinWidth = (page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
