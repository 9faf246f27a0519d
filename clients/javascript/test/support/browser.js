// A real Chromium, and a server for the pages that it shows: the package as it is, and what tests need beside it.

import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { chromium as playwright } from 'playwright-core';

import { chromium, newFolder, removeFolder } from './processes.js';

const root = new URL('../..', import.meta.url).pathname;
const types = { '.js': 'text/javascript', '.html': 'text/html; charset=utf-8' };

export class PageServer {
  #server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      const file = await readFile(join(root, normalize(pathname)));
      response.writeHead(200, { 'content-type': types[extname(pathname)] ?? 'text/plain', 'cache-control': 'no-store' }).end(file);
    } catch {
      response.writeHead(404).end();
    }
  });

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get origin() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export class Browser {
  #context;
  #folder;

  // With the profile that it had before, if any.
  async start() {
    this.#folder ??= await newFolder();
    this.#context = await playwright.launchPersistentContext(this.#folder, {
      executablePath: chromium,
      headless: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    return this;
  }

  // A new tab.
  async tab(url) {
    const page = await this.#context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.stack));
    await page.goto(url);
    return page;
  }

  // Whether a `localStorage` has been written to the disk with this in it.
  async hasOnDisk(text) {
    const folder = join(this.#folder, 'Default', 'Local Storage', 'leveldb');
    const logs = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.log'));
    const contents = await Promise.all(logs.map((name) => readFile(join(folder, name), 'latin1').catch(() => '')));
    return contents.some((content) => content.includes(text));
  }

  // All of its processes at once, so that none can write anything for another.
  async kill() {
    const { stdout } = spawnSync('pgrep', ['-f', '--', `--user-data-dir=${this.#folder}`], { encoding: 'utf8' });
    for (const id of stdout.split('\n').filter(Boolean)) process.kill(Number(id), 'SIGKILL');
    await this.#context.close().catch(() => {});
  }

  async close() {
    await this.#context?.close();
    await removeFolder(this.#folder);
  }
}
