// The console in Chromium, against a node of its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accessibilityProblems, eventually, isWithinWidth, launch, open, publish, startNode } from './support.js';

// Both a kind's key and a payload that would be scripts if anything were put into the page as HTML.
const HOSTILE = 'player/<img src=x onerror="document.title=1">';

let node;
let browser;
let url;
before(async () => {
  node = await startNode();
  browser = await launch();
  url = `http://${node.http}/console`;
  for (let n = 1; n <= 3; ++n) await publish(node, 'player/ada', 'note', { n });
  await publish(node, HOSTILE, 'note', { text: '<script>document.title=2</script>' });
  // A kill by a number that no client can have: the hub refuses it, and it becomes a dead letter.
  await publish(node, 'match/1', 'kill', { killer: 500, victim: 500, means: 'x', at_s: 0 });
});
after(async () => {
  await browser?.close();
  await node?.stop();
});

test('the pages come with a strict policy, and are not sent twice', async () => {
  for (const path of ['/console', '/console/', '/console/console.js', '/console/console.css', '/console/bell.svg', '/openapi.json']) {
    const first = await fetch(`http://${node.http}${path}`);
    assert.equal(first.status, 200, path);
    assert.match(first.headers.get('content-security-policy'), /^default-src 'self';.*frame-ancestors 'none'/);
    assert.equal(first.headers.get('x-content-type-options'), 'nosniff');
    const again = await fetch(`http://${node.http}${path}`, { headers: { 'If-None-Match': first.headers.get('etag') } });
    assert.equal(again.status, 304, path);
    assert.equal(await again.text(), '');
  }
  for (const path of ['/console/nothing.js', '/console/..%2fopenapi.json', '/console/console/index.html', '/index.html']) {
    assert.equal((await fetch(`http://${node.http}${path}`)).status, 404, path);
  }
  assert.equal((await fetch(url, { method: 'POST', body: '' })).status, 404);
});

test('shows the node live, an entity, a stream and its next event, and asks nobody else', async () => {
  const { page, trouble, asked } = await open(browser, url);
  await page.getByText('All is well').or(page.getByText('One problem')).first().waitFor();
  await page.fill('#inspect-entity', 'match/1');
  await page.click('#inspect-form button');
  await page.locator('#inspection').getByText('match/1').first().waitFor();
  await page.fill('#stream-entity', 'player/ada');
  await page.click('#stream-start');
  await page.locator('#stream-events').getByText('{"n":3}').waitFor();
  await publish(node, 'player/ada', 'note', { n: 4 });
  await page.locator('#stream-events').getByText('{"n":4}').waitFor();
  assert.equal(await page.locator('#stream-events tr').count(), 4);
  assert.deepEqual([...asked], [node.http]);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('an entity that cannot be looked at just now is asked for again, and shown', async () => {
  let asked = 0;
  // Given a hub that is trying a failed event again when it is first asked for,
  const unavailable = { title: 'Service Unavailable', status: 503, error: 'unavailable', detail: 'try in a moment', retry_after_ms: 20 };
  const before = (page) =>
    page.route('**/entities/match/1', (route) =>
      ++asked === 1 ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify(unavailable) }) : route.continue(),
    );
  const { page } = await open(browser, url, { before });
  await page.fill('#inspect-entity', 'match/1');
  await page.click('#inspect-form button');
  // then it is shown when it can be.
  await page.locator('#inspection').getByText('match/1').first().waitFor();
  assert.ok(asked > 1);
  await page.context().close();
});

test('a name or payload that looks like a script is text', async () => {
  const { page, trouble } = await open(browser, url);
  await page.fill('#stream-entity', HOSTILE);
  await page.click('#stream-start');
  await page.locator('#stream-events').getByText('<script>').waitFor();
  await page.fill('#inspect-entity', HOSTILE);
  await page.click('#inspect-form button');
  await page.locator('#inspection').getByText('<img src=x').first().waitFor();
  assert.equal(await page.title(), 'Carillon console');
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('a dead letter is redriven, and another is discarded when that is confirmed', async () => {
  const { page, trouble } = await open(browser, url);
  const letters = async () => (await (await fetch(`http://${node.http}/deadletters/match/1`)).json()).dead_letters.map(({ offset }) => offset);
  await eventually('there is a dead letter', async () => (await letters()).includes(1));
  const row = page.locator('#deadletters-rows tr').first();
  await row.waitFor();
  await row.getByRole('button', { name: /redrive/i }).click();
  if (await page.locator('#confirm').isVisible()) await page.click('#confirm-yes');
  // It fails again: the event comes back behind the others.
  await eventually('it was redriven', async () => (await letters()).every((offset) => offset > 1) && (await letters()).length > 0);
  await page.locator('#deadletters-rows').getByRole('button', { name: /discard/i }).first().click();
  await page.locator('#confirm').waitFor();
  await page.click('#confirm button[value=no]');
  assert.ok((await letters()).length > 0, 'nothing happens without a yes');
  await page.locator('#deadletters-rows').getByRole('button', { name: /discard/i }).first().click();
  await page.click('#confirm-yes');
  await eventually('it was discarded', async () => (await letters()).length === 0);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('the trace of an event can be seen, and copied by the keyboard, in a stream and of a dead letter', async () => {
  const id = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${id}-b7ad6b7169203331-01` };
  await publish(node, 'player/traced', 'note', { n: 1 });
  await publish(node, 'player/traced', 'note', { n: 2 }, headers);
  await publish(node, 'match/traced', 'kill', { killer: 500, victim: 500, means: 'x', at_s: 0 }, headers);
  const { page, trouble } = await open(browser, url, { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.fill('#stream-entity', 'player/traced');
  await page.click('#stream-start');
  const rows = page.locator('#stream-events tr');
  await rows.getByText('{"n":2}').waitFor();
  assert.deepEqual(await rows.locator('.trace code').allTextContents(), [id], 'one has a trace, one has none');
  await rows.getByRole('button', { name: `Copy trace ${id}` }).focus();
  await page.keyboard.press('Enter');
  await rows.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), id);
  await page.evaluate(() => navigator.clipboard.writeText(''));

  await eventually('it is a dead letter', async () => (await (await fetch(`http://${node.http}/deadletters/match/traced`)).json()).dead_letters.length === 1);
  await page.fill('#inspect-entity', 'match/traced');
  await page.click('#inspect-form button');
  await page.locator('#inspection').getByRole('button', { name: `Copy trace ${id}` }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), id);
  await page.locator('#deadletters-rows').getByRole('button', { name: `Copy trace ${id}` }).waitFor();

  // Where a page may not write to the clipboard, as over plain HTTP from elsewhere, it is selected.
  await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', { value: undefined }));
  await rows.getByRole('button', { name: `Copy trace ${id}` }).click();
  await rows.getByText('Selected').waitFor();
  assert.equal(await page.evaluate(() => String(getSelection())), id);
  assert.deepEqual(await accessibilityProblems(page), []);
  assert.deepEqual(trouble, []);
  await page.context().close();
});

for (const colorScheme of ['light', 'dark']) {
  for (const [size, viewport] of Object.entries({ desk: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } })) {
    test(`${colorScheme}, ${size}: accessible, and nothing is cut off`, async () => {
      const { page } = await open(browser, url, { colorScheme, viewport });
      await page.fill('#stream-entity', HOSTILE);
      await page.click('#stream-start');
      await page.locator('#stream-events tr').first().waitFor();
      await page.locator('#tiles dd').first().waitFor();
      assert.deepEqual(await accessibilityProblems(page), []);
      assert.ok(await isWithinWidth(page));
      await page.context().close();
    });
  }
}
