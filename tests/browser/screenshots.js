// Makes docs/screenshots anew: the hunt and the console while bots play, each light, dark and on a phone.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { eventually, launch, open, pause, root, startDemo } from './support.js';

const place = path.join(root, 'docs/screenshots');
mkdirSync(place, { recursive: true });
const looks = {
  light: { colorScheme: 'light', viewport: { width: 1280, height: 860 } },
  dark: { colorScheme: 'dark', viewport: { width: 1280, height: 860 } },
  phone: { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};
const demo = await startDemo(['--dead-for', '1000']);
const browser = await launch();
const hunts = [];
for (const [name, look] of Object.entries(looks)) hunts.push([name, (await open(browser, `http://${demo.hunt}/`, look)).page]);
const first = hunts[0][1];
await eventually('they dig', async () => Number(await first.locator('#answered').textContent()) > 12, 60_000);
await first.locator('#kill:enabled').click();
await eventually('they dig on', async () => Number(await first.locator('#answered').textContent()) > 40, 60_000);
const consoles = [];
for (const [name, look] of Object.entries(looks)) {
  const { page } = await open(browser, `http://${demo.http}/console`, look);
  await page.fill('#inspect-entity', 'island/tortuga');
  await page.click('#inspect-form button');
  await page.fill('#stream-entity', 'island/tortuga');
  await page.click('#stream-start');
  consoles.push([name, page]);
}
await pause(25_000);  // Charts show time that has passed.
for (const [kind, pages] of [['hunt', hunts], ['console', consoles]]) {
  for (const [name, page] of pages) {
    await page.bringToFront();
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: path.join(place, `${kind}-${name}.png`), fullPage: kind === 'console' && process.argv.includes('--full') });
  }
}
await browser.close();
await demo.stop();
