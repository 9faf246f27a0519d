// The client in a real Chromium, against a real node that is killed again and again, while pages are reloaded and closed; and in
// one that is killed itself.
//
// Goal: P1 to P4 as players see them, exactly once across reloads of the page. Method: two tabs of one origin publish numbers
// and follow; the node is killed at random moments, a tab is reloaded now and then, and a third tab is closed in the middle of
// publishing, so that another must finish for it; compare what the pages noted with what is stored.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';

import { Browser, PageServer } from './support/browser.js';
import { CarillonNode, binary, chromium, hasBinary, hasChromium, newFolder, removeFolder } from './support/processes.js';
import { assertLedger, readAll } from './support/ledger.js';
import { diceFrom, seed } from './support/dice.js';
import { eventually } from './support/eventually.js';
import { kills, killAgainAndAgain } from './support/kills.js';

const skip = !hasBinary
  ? `there is no ${binary}; build it, or set CARILLON_BINARY`
  : !hasChromium && `there is no ${chromium}; install Debian's chromium, or set CARILLON_CHROMIUM`;
const streams = ['player/browser one', 'player/browser/two'];
let folder;
let node;
let pages;
let browser;
before(async () => {
  if (skip) return;
  folder = await newFolder();
  pages = await new PageServer().start();
  node = await new CarillonNode(folder, ['--allow-origin', pages.origin]).start();
  browser = await new Browser().start();
});
after(async () => {
  if (skip) return;
  await browser?.close();
  pages?.close();
  await node?.kill();
  await removeFolder(folder);
});

function open(name, { every = 5, where = browser } = {}) {
  const parameters = new URLSearchParams({ name, streams: streams.join(','), addresses: node.webSocket, every });
  return where.tab(`${pages.origin}/test/support/page/index.html?${parameters}`);
}
const report = (tab) => tab.evaluate(() => globalThis.tab?.report?.());
const isOpen = async (tab) => (await report(tab))?.state === 'open';

test(`P1 P2 P3 P4 ${kills} kills and reloads change nothing that a page can see`, { skip, timeout: 600_000 }, async () => {
  const dice = diceFrom(seed + 1);
  const tabs = { left: await open('left'), right: await open('right') };
  const doomed = await open('doomed');
  const lastWords = {};
  await killAgainAndAgain({
    nodes: [node],
    dice,
    progress: async () => Math.min(...((await report(tabs.left))?.shown ?? [0])),
    between: async (kill) => {
      if (kill === 1) {
        // The node is down, so what it publishes now is unconfirmed when it goes.
        await doomed.evaluate(() => ['one', 'two', 'three'].forEach(() => globalThis.tab.publish(new URLSearchParams(location.search).get('streams').split(',')[0])));
        lastWords.doomed = await report(doomed);
        lastWords.published = await doomed.evaluate(() => (globalThis.tab.stop(), globalThis.tab.report()));
        await doomed.close();
      } else if (dice(2) === 0) {
        await tabs.right.reload();
      } else if (dice(3) === 0) {
        await tabs.left.reload();
      }
    },
  });
  const reports = {};
  for (const [name, tab] of Object.entries(tabs)) {
    await eventually(() => isOpen(tab), `${name} is open`, 30_000);
    await tab.evaluate(() => globalThis.tab.stop());
    await eventually(
      async () => {
        reports[name] = await report(tab);
        const { unconfirmed, published, shown } = reports[name];
        return unconfirmed === 0 && published.every((count, i) => shown[i] === count);
      },
      `all of ${name} is confirmed and shown`,
      30_000,
    ).catch((error) => assert.fail(`${error.message}: ${JSON.stringify(reports[name])}`));
    assert.deepEqual(reports[name].errors, [], `seed ${seed}`);
    assert.deepEqual(tab.problems, [], `seed ${seed}`);
  }
  assert.ok(lastWords.published.unconfirmed >= 3, 'the tab that was closed left something');
  for (const [i, stream] of streams.entries()) {
    let events;
    const ofDoomed = () => events.filter(({ payload }) => payload.tab === 'doomed').length;
    await eventually(
      async () => {
        events = await readAll({ addresses: node.webSocket, WebSocket }, stream);
        return ofDoomed() >= lastWords.published.published[i];
      },
      'another tab has finished for the one that was closed',
      30_000,
    );
    for (const [name, { published }] of Object.entries(reports)) assertLedger(events, name, published[i]);
    assertLedger(events, 'doomed', lastWords.published.published[i]);
  }
  const counts = Object.entries(reports).map(([name, { published }]) => `${name} ${published.join('+')}`);
  console.log(`published ${counts.join(', ')} through ${kills} kills`);
});

// Goal: P1 and P2 for the page that comes after one whose browser was killed. Method: what a page stored reaches the disk late,
// so that the next page finds what the storage was some time ago: publish until it has reached the disk, and then some more.
test('P1 P2 what a page is told after its browser was killed is true', { skip, timeout: 120_000 }, async (t) => {
  const stream = 'player/killed';
  const doomed = await new Browser().start();
  t.after(() => doomed.close());
  let told = 0;
  async function publish(tab, count) {
    const all = { stream, from: told + 1, to: told + count };
    await tab.evaluate(async ({ stream, from, to }) => {
      for (let n = from; n <= to; n += 1) await globalThis.tab.carillon.publish(stream, 'note', { tab: 'killed', n });
    }, all);
    told = all.to;
  }
  const newTab = () => open('killed', { every: 1_000_000, where: doomed });
  // Given a page that went on to publish when its storage had reached the disk,
  const before = await newTab();
  await eventually(
    async () => {
      await publish(before, 1);
      return doomed.hasOnDisk('carillon:');
    },
    'the storage has reached the disk',
    60_000,
  );
  await publish(before, 100);
  // when its browser is killed, and the next page publishes,
  await doomed.kill();
  await doomed.start();
  const after = await newTab();
  await publish(after, 50);
  // then all that they were told is stored is stored, once and in order.
  assertLedger(await readAll({ addresses: node.webSocket, WebSocket }, stream), 'killed', told);
});
