// The treasure hunt in Chromium under its supervisor: two pages play, the server is killed, and the pages' ledgers stay clean.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessibilityProblems, eventually, isWithinWidth, launch, open, publish, startDemo } from './support.js';

let demo;
let browser;
let url;
before(async () => {
  demo = await startDemo(['--dead-for', '300']);
  browser = await launch();
  url = `http://${demo.hunt}/`;
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

const figure = async (page, id) => Number(await page.locator(`#${id}`).textContent());
const playing = (page, answered) => eventually(`${answered} digs are answered`, async () => (await figure(page, 'answered')) >= answered, 60_000);

test('P1 to P4: two pages dig through kills, and nothing is lost, doubled or out of order', async () => {
  const pages = [await open(browser, url), await open(browser, url)];
  for (const { page } of pages) await playing(page, 5);
  for (let kills = 1; kills <= 3; ++kills) {
    const [{ page }] = pages;
    const process = await page.getAttribute('#server-state', 'data-process');
    await page.locator('#kill:enabled').click();
    await eventually('another process is at work', async () => {
      const now = await page.getAttribute('#server-state', 'data-process');
      return now !== '0' && now !== process;
    });
    for (const { page: one } of pages) await playing(one, (await figure(one, 'answered')) + 5);
  }
  for (const { page, trouble, asked } of pages) {
    const bots = page.locator('#players button[aria-pressed=true]');
    while ((await bots.count()) > 0) await bots.first().click();
    await eventually('every dig is answered', async () => (await figure(page, 'waiting')) === 0);
    for (const bad of ['lost', 'doubled', 'disordered', 'gaps']) assert.equal(await figure(page, bad), 0, bad);
    assert.equal(await figure(page, 'answered'), await figure(page, 'asked'));
    assert.match(await page.locator('#verdict-text').textContent(), /All is accounted for, through 3 kills/);
    assert.deepEqual([...asked].sort(), [demo.hunt, demo.http].sort());
    assert.deepEqual(trouble, []);
    await page.context().close();
  }
});

test('a person joins under a name that looks like a script, and digs with the keyboard', async () => {
  const { page, trouble } = await open(browser, url);
  await playing(page, 1);
  const name = '<b onclick=1>Eve</b>';
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
  await page.locator('#you').getByText(name).waitFor();
  const card = page.locator('#players li', { hasText: name });
  await page.locator('#beach [tabindex="0"]').focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await card.getByText('1 of 1 digs answered').waitFor();
  assert.equal(await page.locator('main b[onclick]').count(), 0);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('what others dig before the island was drawn, as in a tab behind others, is shown when it is', async () => {
  let heard = '';
  const { page, trouble } = await open(browser, url, {
    before: async (page) => {
      page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => (heard += payload)));
      await page.addInitScript(() => {
        sessionStorage.setItem('hunt.names', '["Solo"]');  // No bots, which draw when they begin.
        const waiting = [];
        const draws = window.requestAnimationFrame.bind(window);
        window.requestAnimationFrame = (callback) => waiting.push(callback);
        window.drawFromNowOn = () => {
          window.requestAnimationFrame = draws;
          for (const callback of waiting) draws(callback);
        };
      });
    },
  });
  await eventually('the page has landed', () => heard.includes('"ashore"'));
  await eventually('the page hears of the dig of another', async () => {
    await publish(demo, 'island/tortuga', 'dug', { player: 'Quartermaster', x: 3, y: 2 });
    return heard.includes('"Quartermaster"');
  });
  await page.evaluate(() => window.drawFromNowOn());
  await page.locator('#beach .figure', { hasText: 'Q' }).waitFor();
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('only the page itself may kill', async () => {
  const before = await (await fetch(`${url}node`)).json();
  const refused = await fetch(`${url}kill`, { method: 'POST', headers: { Origin: 'http://elsewhere.example' } });
  assert.equal(refused.status, 403);
  assert.equal((await fetch(`${url}kill`)).status, 404);
  const now = await (await fetch(`${url}node`)).json();
  assert.equal(now.kills, before.kills);
  assert.match((await fetch(url)).headers.get('content-security-policy'), /frame-ancestors 'none'/);
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ desk: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } })) {
    test(`${colorScheme}, ${size}: accessible, and nothing is cut off`, async () => {
      const { page } = await open(browser, url, { colorScheme, viewport });
      await playing(page, 3);
      assert.deepEqual(await accessibilityProblems(page), []);
      assert.ok(await isWithinWidth(page));
      await page.context().close();
    });
  }
}
