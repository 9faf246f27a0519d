// Names and payloads that would be scripts if a page ever put them in as HTML, in everything that console and hunt show.
//
// Goal: they are text, whoever sent them. Method: the pages' policy, which would stop scripts, is switched off in the browser, so
// that whatever became markup would run, and be seen; then, apart from that, that the policy alone stops what was put in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, launch, open, publish, startDemo, startNode } from './support.js';

const RUN = 'globalThis.wasRun=1';
const HOSTILE = [
  `<img src=x onerror="${RUN}">`,
  `"><script>${RUN}</script>`,
  `' onmouseover='${RUN}' autofocus onfocus='${RUN}`,
  `</td></textarea></title><svg onload=${RUN}>`,
  `javascript:${RUN}`,
  `\${${RUN}}{{${RUN}}}<iframe srcdoc="<script>parent.wasRun=1</script>">`,
  `<a href="javascript:${RUN}">a</a><b onclick="${RUN}">b</b>`,
];
const EVERYWHERE = HOSTILE.join(' ');

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

// Opens a page without its policy, and notes what runs in it that should not.
async function openUnguarded(url) {
  const dialogs = [];
  const opened = await open(browser, url, { bypassCSP: true, before: (page) => page.on('dialog', (dialog) => (dialogs.push(dialog.message()), dialog.dismiss())) });
  const expectNothingRan = async () => {
    const found = await opened.page.evaluate(() => ({
      wasRun: globalThis.wasRun,
      // What the page is made of has neither handlers in attributes, nor scripts of its own, nor links that are scripts.
      made: [...document.querySelectorAll('*')]
        .filter((one) => [...one.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*javascript:/i.test(value) || name === 'srcdoc') || (one.localName === 'script' && !one.src) || one.localName === 'iframe')
        .map((one) => one.outerHTML),
    }));
    assert.deepEqual(found, { wasRun: undefined, made: [] });
    assert.deepEqual(dialogs, []);
  };
  // Were it put in as HTML, it would run here, and be seen.
  const expectItWouldHave = async () => {
    await opened.page.evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), HOSTILE[0]);
    await eventually('it has run', () => opened.page.evaluate(() => globalThis.wasRun === 1));
    await assert.rejects(expectNothingRan());
  };
  return { ...opened, expectNothingRan, expectItWouldHave };
}

// What a page that does put strings in as HTML would suffer, with its policy on.
async function isStoppedByPolicy(page) {
  await page.evaluate((html) => {
    globalThis.violations = 0;
    document.addEventListener('securitypolicyviolation', () => (globalThis.violations += 1));
    document.body.insertAdjacentHTML('beforeend', html);
    const script = document.createElement('script');
    script.textContent = 'globalThis.wasRun=1';
    document.body.append(script);
  }, HOSTILE[0]);
  await eventually('both are reported', () => page.evaluate(() => globalThis.violations >= 2));
  assert.equal(await page.evaluate(() => globalThis.wasRun), undefined);
}

test('P9 the console shows hostile names, payloads, producers and reasons as text', async () => {
  const node = await startNode();
  try {
    const key = EVERYWHERE.slice(0, 250);
    const stream = `player/${key}`;
    const hub = `match/${key}`;
    for (const [n, text] of HOSTILE.entries()) await publish(node, stream, 'note', { [text]: text, n });
    const producer = encodeURIComponent(HOSTILE[0]);
    const published = await fetch(`http://${node.http}/events/${encodeURI('player/ada')}?type=note&producer=${producer}&sequence=1`, { method: 'POST', body: '{}' });
    assert.equal(published.status, 200);
    // A kill by a number that no client can have is a dead letter.
    await publish(node, hub, 'kill', { killer: 500, victim: 500, means: HOSTILE[1], at_s: 0 });

    const { page, trouble, expectNothingRan, expectItWouldHave } = await openUnguarded(`http://${node.http}/console`);
    const shows = async (place, text) => page.locator(place).getByText(text.slice(0, 40)).first().waitFor();
    await page.fill('#stream-entity', stream);
    await page.click('#stream-start');
    await shows('#stream-events', HOSTILE[4]);
    assert.equal(await page.locator('#stream-events tr').count(), HOSTILE.length);
    await expectNothingRan();
    await page.fill('#stream-entity', 'player/ada');
    await page.click('#stream-start');
    await shows('#stream-events', HOSTILE[0]);
    for (const entity of [stream, hub, `nothing/${key}`]) {
      await page.fill('#inspect-entity', entity);
      await page.click('#inspect-form button');
      await page.locator(entity.startsWith('nothing') ? '#inspection .error' : '#inspection h3').first().waitFor();
      await expectNothingRan();
    }
    await shows('#busiest-list', HOSTILE[0]);
    await shows('#deadletters-rows', HOSTILE[0]);
    // What is clicked and hovered over is no trap either.
    await page.locator('#busiest-list button').first().hover();
    await page.locator('#deadletters-rows button').first().click();
    await page.locator('#deadletters-rows').getByRole('button', { name: /discard/i }).first().click();
    await shows('#confirm-text', hub);
    await expectNothingRan();
    assert.deepEqual(trouble, []);
    await expectItWouldHave();
    await page.context().close();

    const guarded = await open(browser, `http://${node.http}/console`);
    await isStoppedByPolicy(guarded.page);
    await guarded.page.context().close();
  } finally {
    await node.stop();
  }
});

test('P9 the hunt shows hostile names, and what strangers publish to a player, as text', async () => {
  const demo = await startDemo();
  try {
    const url = `http://${demo.hunt}/`;
    const { page, expectNothingRan } = await openUnguarded(url);
    await page.locator('#beach [tabindex="0"]').waitFor();
    // Somebody joins under such a name on this page,
    const [name] = HOSTILE;
    await page.fill('#name', name);
    await page.press('#name', 'Enter');
    await page.locator('#you').getByText(name).waitFor();
    await expectNothingRan();
    // others dig under such names elsewhere, so that they are strangers here and lead there,
    for (const player of HOSTILE) await publish(demo, 'island/tortuga', 'landed', { player });
    for (const [x, player] of HOSTILE.entries()) await publish(demo, 'island/tortuga', 'dug', { player, x, y: 0, dig: 1 });
    // and somebody who may publish to a player says what no island would.
    const you = `player/${name}`;
    for (const text of HOSTILE) {
      await publish(demo, you, 'treasure_found', { player: text, x: 0, y: 0, treasure: text, worth: text, leaders: [{ player: text, score: text }] });
      await publish(demo, you, 'hole_dug', { player: text, x: 1, y: 0, again: text });
      await publish(demo, you, 'treasure_seen', { player: text, x: 2, y: 0, treasure: text });
    }
    await publish(demo, you, 'failed', { message: EVERYWHERE });
    await page.locator('#news').getByText(HOSTILE[4]).first().waitFor();
    for (const button of await page.locator('#news li').all()) await button.hover({ timeout: 500 }).catch(() => {});
    await expectNothingRan();
    await page.context().close();

    const guarded = await open(browser, url);
    assert.match((await fetch(url)).headers.get('content-security-policy'), /default-src 'self'/);
    await isStoppedByPolicy(guarded.page);
    await guarded.page.context().close();
  } finally {
    await demo.stop();
  }
});
