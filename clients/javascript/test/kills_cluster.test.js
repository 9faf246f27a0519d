// The client against three nodes of which one at a time is killed: a failover is a short silence and nothing else.
//
// Not among the tests that run by default (`npm run test:cluster`): it takes about two seconds a kill, and etcd.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { connect } from '../index.js';
import { Browser, PageServer } from './support/browser.js';
import { CarillonCluster, binary, hasBinary, hasChromium, hasEtcd, newFolder, removeFolder } from './support/processes.js';
import { assertLedger, readAll } from './support/ledger.js';
import { diceFrom, seed } from './support/dice.js';
import { eventually } from './support/eventually.js';
import { kills, killAgainAndAgain } from './support/kills.js';

const skip = !hasBinary
  ? `there is no ${binary}; build it, or set CARILLON_BINARY`
  : !hasEtcd
    ? 'there is no etcd; install etcd-server'
    : !hasChromium && 'there is no chromium; install it';
const streams = ['player/cluster one', 'player/cluster/two'];
let folder;
let cluster;
let pages;
let browser;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  pages = await new PageServer().start();
  cluster = await new CarillonCluster(folder, ['--allow-origin', pages.origin]).start(3);
  browser = await new Browser().start();
});
after(async () => {
  if (skip) return;
  await browser?.close();
  pages?.close();
  await cluster?.kill();
  await removeFolder(folder);
});

test(`P1 P2 P3 P4 P8 ${kills} failovers change nothing that a program or a page can see`, { skip, timeout: 900_000 }, async () => {
  const dice = diceFrom(seed + 2);
  const addresses = cluster.nodes.map((node) => node.webSocket);
  const options = { addresses, WebSocket, reconnectFirstMs: 20, reconnectLongestMs: 200 };
  const parameters = new URLSearchParams({ name: 'page', streams: streams.join(','), addresses: addresses.join(','), every: 5 });
  const tab = await browser.tab(`${pages.origin}/test/support/page/index.html?${parameters}`);
  const report = () => tab.evaluate(() => globalThis.tab?.report?.());

  const program = connect(options);
  const published = streams.map(() => 0);
  const errors = [];
  const silences = [];
  let heardAt = performance.now();
  const shown = streams.map(() => []);
  const reading = streams.map(async (stream, i) => {
    for await (const event of program.follow(stream)) {
      shown[i].push(event);
      silences.push(performance.now() - heardAt);
      heardAt = performance.now();
    }
  });
  let turn = 0;
  const timer = setInterval(() => {
    if (program.unconfirmed >= 200) return;
    const stream = (turn += 1) % streams.length;
    const n = (published[stream] += 1);
    program.publish(streams[stream], 'note', { tab: 'program', n }).catch((error) => errors.push(error.message));
  }, 3);

  await killAgainAndAgain({
    nodes: cluster.nodes,
    dice,
    ready: () => cluster.ready(),
    progress: () => shown[0].length,
    between: async () => {
      if (dice(3) === 0) await tab.reload();
    },
  });
  await cluster.ready();
  clearInterval(timer);
  await program.flush();
  await eventually(async () => (await report())?.state === 'open', 'the page is open', 30_000);
  await tab.evaluate(() => globalThis.tab.stop());
  const page = await eventually(
    async () => {
      const it = await report();
      return it.unconfirmed === 0 && it.published.every((count, i) => it.shown[i] === count) && it;
    },
    'all of the page is confirmed and shown',
    30_000,
  );
  const counts = streams.map((_, i) => published[i] + page.published[i]);
  await eventually(() => shown.every((events, i) => events.length >= counts[i]), 'all is shown', 30_000);
  await program.close();
  await Promise.all(reading);

  assert.deepEqual(errors, [], `seed ${seed}`);
  assert.deepEqual(page.errors, [], `seed ${seed}`);
  assert.deepEqual(tab.problems, [], `seed ${seed}`);
  for (const [i, stream] of streams.entries()) {
    for (const events of [shown[i], await readAll(options, stream)]) {
      assertLedger(events, 'program', published[i]);
      assertLedger(events, 'page', page.published[i]);
    }
  }
  const longest = Math.max(...silences).toFixed(0);
  console.log(`program ${published.join('+')}, page ${page.published.join('+')} through ${kills} failovers; longest silence ${longest} ms`);
});
