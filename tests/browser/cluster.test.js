// The console of a cluster: three nodes of processes of their own, with a real etcd.
//
// Goal: whoever looks at the page while a node dies sees what happened, and what took over, without doing anything.
// Method: what the table shows, cell by cell, is compared with what the node answers to GET /cluster.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { CarillonCluster, hasEtcd, newFolder, removeFolder } from '../../clients/javascript/test/support/processes.js';
import { accessibilityProblems, eventually, isWithinWidth, launch, open, publish } from './support.js';

const skip = hasEtcd ? false : 'there is no /usr/bin/etcd; apt-get install etcd-server';
let folder;
let cluster;
let browser;
let looked; // The node whose page it is.
before(async () => {
  if (skip) return;
  folder = await newFolder();
  cluster = new CarillonCluster(folder);
  browser = await launch();
  await cluster.start(3);
  looked = cluster.nodes[0];
});
after(async () => {
  if (skip) return;
  await browser?.close();
  await cluster.kill();
  await removeFolder(folder);
});

const told = async () => (await fetch(`http://${looked.http}/cluster`)).json();
const openConsole = (look) => open(browser, `http://${looked.http}/console`, look);

// The cards of the page: by node, what its heading says of it, and its facts.
const cardsOf = (page) =>
  page.locator('#cluster-view .nodes li').evaluateAll((cards) =>
    cards.map((card) => {
      const names = [...card.querySelectorAll('dt')].map((name) => name.textContent);
      const values = [...card.querySelectorAll('dd')].map((value) => value.textContent);
      return { heading: card.querySelector('h3').textContent, facts: Object.fromEntries(names.map((name, i) => [name, values[i]])) };
    }),
  );

// The table of the page: by partition, what stands under each node's name.
const rowsOf = (page) =>
  page.locator('#cluster-view table').evaluate((table) => {
    const names = [...table.querySelectorAll('thead th')].map((head) => head.textContent);
    return [...table.querySelectorAll('tbody tr')].map((row) => Object.fromEntries([...row.children].map((cell, i) => [names[i], (cell.querySelector('.role') ?? cell).textContent])));
  });

// What the table ought to show.
const rowOf = ({ partition, primary, in_sync: inSync, under_replicated: few, epoch }, names) => ({
  Partition: String(partition),
  Replication: few ? '! under-replicated' : '✓ well',
  Epoch: String(epoch),
  ...Object.fromEntries(names.map((name) => [name, name === primary ? 'primary' : inSync.includes(name) ? 'in sync' : '✕ away'])),
});

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const sorted = (rows) => rows.map((row) => Object.entries(row).sort());
async function showsWhatIsTold(page) {
  const { partitions } = await told();
  return same(sorted(await rowsOf(page)), sorted(partitions.map((partition) => rowOf(partition, ['ant', 'bee', 'cat']))));
}

test('all nodes with their roles, and every partition with its copies, are shown as the node tells them', { skip, timeout: 60_000 }, async () => {
  const { page, trouble, asked } = await openConsole();
  await eventually('the table shows what is told', () => showsWhatIsTold(page));
  const { controller, nodes, partitions } = await told();
  const cards = await cardsOf(page);
  assert.deepEqual(cards.map(({ heading }) => heading), ['ant ✓ well', 'bee ✓ well', 'cat ✓ well']);
  nodes.forEach(({ node, primaries, copies, http, rpc }, i) => {
    const roles = [node === 'ant' ? 'this one' : null, node === controller ? 'controls placement' : null].filter(Boolean).join(', ');
    assert.deepEqual(cards[i].facts, { 'primary of': String(primaries), copies: String(copies), HTTP: http, RPC: rpc, ...(roles ? { role: roles } : {}) });
  });
  assert.equal(cards.reduce((sum, { facts }) => sum + Number(facts['primary of']), 0), partitions.length);
  await page.getByText(`3 nodes; ${partitions.length} partitions of 3 copies, 2 needed to accept. All are well.`).waitFor();
  await page.getByRole('heading', { name: 'Carillon ant of carillon' }).waitFor();
  assert.deepEqual([...asked], [looked.http], 'of the others, it asks this node only');
  assert.deepEqual(trouble, []);
  await page.context().close();
});

test('a node that is killed is shown as gone, its partitions with new primaries, and as well again when it is back', { skip, timeout: 120_000 }, async () => {
  const victim = cluster.nodes[2];
  const { page, trouble } = await openConsole();
  await eventually('the table shows what is told', () => showsWhatIsTold(page));
  let loads = 0;
  page.on('load', () => (loads += 1));
  const table = page.getByRole('region', { name: 'Partitions: what each node is to them' });
  await page.fill('#stream-entity', 'player/ada');
  await page.click('#stream-start');
  await page.locator('#stream-status').getByText('Following').waitFor();
  await table.focus();
  const before = (await told()).partitions;
  assert.ok(before.some(({ primary }) => primary === 'cat'), 'it has something to lose');

  await victim.kill('SIGKILL');
  await page.getByRole('heading', { name: 'cat ✕ gone' }).waitFor();
  await eventually('others are primaries of what was cat’s', async () => (await rowsOf(page)).every((row) => row.cat === '✕ away' && (row.ant === 'primary') !== (row.bee === 'primary')));
  await eventually('the table shows what is told', () => showsWhatIsTold(page));
  const rows = await rowsOf(page);
  for (const { partition, primary, epoch } of before) {
    if (primary === 'cat') assert.ok(Number(rows[partition].Epoch) > epoch, `partition ${partition} is in a new epoch`);
  }
  await page.getByText(`2 nodes, cat gone; ${before.length} partitions of 3 copies, 2 needed to accept. ${before.length} lack copies now; all accept.`).waitFor();
  await page.locator('#health').getByText('problem').waitFor();
  // What is followed goes on, and the keyboard is where it was.
  await publish(looked, 'player/ada', 'note', { n: 1 });
  await page.locator('#stream-events').getByText('{"n":1}').waitFor();
  assert.ok(await table.evaluate((region) => region === document.activeElement), 'the table keeps the focus');

  for (const [colorScheme, viewport] of [['light', { width: 1280, height: 900 }], ['dark', { width: 360, height: 740 }]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    assert.deepEqual(await accessibilityProblems(page), []);
    assert.ok(await isWithinWidth(page));
  }

  await victim.start();
  await page.getByRole('heading', { name: 'cat ✓ well' }).waitFor();
  await eventually('every copy is in sync again', async () => (await rowsOf(page)).every((row) => row.Replication === '✓ well'), 60_000);
  await page.locator('#health').getByText('All is well').waitFor();
  assert.equal(loads, 0, 'nobody has loaded the page again');
  assert.deepEqual(trouble, []);
  await page.context().close();
});
