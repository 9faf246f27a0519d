// Programs that a test starts: each in a folder of its own that goes with it, none on a port that somebody else may have.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eventually } from './eventually.js';

export const binary =
  process.env.CARILLON_BINARY ?? process.env.CARILLON_PROGRAM ?? new URL('../../../../build/carillon', import.meta.url).pathname;
export const hasBinary = existsSync(binary);
export const chromium = process.env.CARILLON_CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = existsSync(chromium);
export const hasEtcd = existsSync('/usr/bin/etcd');

export const newFolder = () => mkdtemp(join(tmpdir(), 'carillon-javascript-'));
export const removeFolder = (folder) => rm(folder, { recursive: true, force: true, maxRetries: 5 });

// A port that nobody uses, for now.
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// One process, which can be started again as it was.
export class Program {
  #child = null;
  #output = '';

  constructor(command, words) {
    this.command = command;
    this.words = words;
  }

  start() {
    const child = spawn(this.command, this.words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk) => (this.#output = (this.#output + chunk).slice(-10_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
    this.ended = new Promise((resolve) => child.once('close', resolve).once('error', resolve));
  }

  get running() {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output() {
    return this.#output;
  }

  async kill(signal = 'SIGKILL') {
    if (this.running) this.#child.kill(signal);
    await this.ended;
  }
}

// A node, which comes back with the same data at the same addresses.
export class CarillonNode {
  #folder;
  #more;
  #program = null;
  #addresses = null;

  constructor(folder, more = []) {
    this.#folder = folder;
    this.#more = more;
  }

  get http() {
    return this.#addresses.http;
  }

  get webSocket() {
    return `ws://${this.http}/ws`;
  }

  get running() {
    return this.#program?.running ?? false;
  }

  async start() {
    await mkdir(this.#folder, { recursive: true });
    const ready = join(this.#folder, 'ready');
    await rm(ready, { force: true });
    const { rpc, http } = this.#addresses ?? { rpc: '127.0.0.1:0', http: '127.0.0.1:0' };
    const words = ['serve', '--data', join(this.#folder, 'data'), '--listen', rpc, '--http', http, '--ready-file', ready];
    this.#program = new Program(binary, [...words, ...this.#more]);
    this.#program.start();
    const isReady = async () => {
      if (!this.running) {
        await this.#program.ended; // With all of its output.
        throw new Error(`the node ended: ${this.#program.output}`);
      }
      try {
        return JSON.parse(await readFile(ready, 'utf8'));
      } catch {
        return null; // Not there yet, or not whole.
      }
    };
    try {
      this.#addresses = await eventually(isReady, 'the node is ready', 30_000);
    } catch (error) {
      await this.kill('SIGKILL');
      throw error;
    }
    return this;
  }

  kill(signal) {
    return this.#program?.kill(signal);
  }
}

// An etcd and some nodes.
export class CarillonCluster {
  nodes = [];
  #folder;
  #etcd = null;

  constructor(folder, more = []) {
    this.#folder = folder;
    this.more = more;
  }

  async start(count) {
    const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
    const words = ['--data-dir', join(this.#folder, 'etcd'), '--logger', 'zap', '--log-level', 'warn'];
    words.push('--heartbeat-interval', '50', '--election-timeout', '500');
    words.push('--listen-client-urls', client, '--advertise-client-urls', client);
    words.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`);
    this.#etcd = new Program('/usr/bin/etcd', words);
    this.#etcd.start();
    await eventually(() => answers(`${client}/health`), 'etcd is healthy', 20_000);
    for (const name of ['ant', 'bee', 'cat', 'dog', 'elk'].slice(0, count)) {
      const settings = ['--cluster', '--etcd', client, '--node', name, '--replicas', '3', '--min-in-sync', '2'];
      this.nodes.push(new CarillonNode(join(this.#folder, name), [...settings, ...this.more]));
    }
    await Promise.all(this.nodes.map((node) => node.start()));
    await this.ready();
    return this;
  }

  // All nodes are ready, and each reaches a primary of every partition.
  ready() {
    const all = () => Promise.all(this.nodes.map((node) => reachesAll(`http://${node.http}/readyz`)));
    return eventually(async () => (await all()).every(Boolean), 'all nodes are ready', 60_000);
  }

  async kill() {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#etcd?.kill();
  }
}

async function reachesAll(url) {
  try {
    const answer = await fetch(url);
    return answer.ok && !(await answer.json()).problems.some((problem) => /^partition \d+: /.test(problem));
  } catch {
    return false;
  }
}

async function answers(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    return false;
  }
}
