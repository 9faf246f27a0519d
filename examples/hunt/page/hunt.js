// The treasure hunt: the players of this page, the island they dig on, and the server that may be killed meanwhile.
import { connect } from './carillon/index.js';
import { Beach, picture } from './beach.js';
import { byId, element, setText } from './dom.js';
import { Island } from './island.js';
import { Kept } from './kept.js';
import { sumOf } from './ledger.js';
import { askNode, killNode, watchNode } from './node_watch.js';
import { Player } from './player.js';
import { themeSwitch } from './theme.js';

const ISLAND = 'island/tortuga';
const NEWS = 8;
const HISTORY = 5;
const PLAYERS_MAX = 8;
const COLOURS = ['#d1495b', '#2f6fd0', '#7b4fc9', '#1f8a5b', '#b3590a', '#a8327e', '#00798c', '#5d5d5d'];
const NAMES = ['Ada', 'Bo', 'Cleo', 'Dido', 'Edith', 'Faro', 'Grace', 'Hopper', 'Ines', 'Juno', 'Kaya', 'Lou', 'Mary', 'Nemo', 'Olive', 'Pip', 'Quinn', 'Rosa', 'Sol', 'Tove', 'Uma', 'Vito', 'Wren', 'Xena', 'Yara', 'Zoe'];

const island = new Island();
const players = new Map();  // By name.
const strangers = new Map();  // Players of other pages: name → the square where they dug last.
let chosen = null;  // Who digs when a square is clicked.

const shuffled = (list) => [...list].sort(() => Math.random() - 0.5);
const clock = () => new Date().toLocaleTimeString('en-GB');

themeSwitch(byId('theme'));

// --- Drawing: at most once a frame, whatever happens; at once what was just pressed.

const beach = new Beach(byId('beach'), (x, y) => chosen?.dig(x, y));
let drawing = false;
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawNow();
  });
}

function drawNow() {
  if (island.height > 0) {
    beach.draw(island);
    for (const [name, square] of strangers) beach.place({ name, colour: '#6b7280', square, mine: false });
    for (const player of players.values()) if (player.at) beach.place({ name: player.name, colour: player.colour, square: player.at, mine: player === chosen });
    const left = island.squaresLeft().length;
    setText(byId('tide'), left > 0 ? `Tide ${island.tide}: ${left} squares of sand are left.` : `Tide ${island.tide}: all is dug up, and the water rises.`);
  }
  for (const player of players.values()) drawPlayer(player);
  drawProof();
}

function drawPlayer(player) {
  const { card, ledger } = player;
  setText(card.score, player.score);
  setText(card.digs, `${ledger.answered} of ${ledger.asked} digs answered`);
  card.item.classList.toggle('chosen', player === chosen);
  card.radio.checked = player === chosen;
  card.bot.setAttribute('aria-pressed', String(player.bot));
}

function drawProof() {
  const ledgers = [...players.values(), ...gone].map((player) => player.ledger);
  const sum = sumOf(ledgers);
  for (const [name, value] of Object.entries(sum)) if (byId(name)) setText(byId(name), value);
  const clean = ledgers.every((ledger) => ledger.isClean);
  const verdict = byId('verdict');
  verdict.className = `verdict ${sum.asked === 0 ? '' : clean ? 'good' : 'bad'}`;
  document.querySelectorAll('.proof .must').forEach((row) => row.classList.toggle('bad', row.querySelector('dd').textContent !== '0'));
  // Said only when the judgement changes.
  const words = sum.asked === 0 ? 'No digs yet.' : clean ? `All is accounted for${kills > 0 ? `, through ${kills === 1 ? 'one kill' : `${kills} kills`}` : ''}.` : 'Something is wrong: see below.';
  setText(byId('verdict-text'), words);
}

// --- What players hear.

function tell(player, words, square) {
  const item = element('li', {}, element('span', { class: 'dot' }), square ? picture(square) : null, element('span', {}, element('b', {}, player.name), ` ${words}`));
  item.querySelector('.dot').style.setProperty('--colour', player.colour);
  const news = byId('news');
  news.prepend(item);
  while (news.childElementCount > NEWS) news.lastElementChild.remove();
  // Of the others' luck nobody wants to be told all the time.
  if (player === chosen && !player.bot) setText(byId('said'), words);
}

function showLeaders(leaders) {
  byId('leaders').replaceChildren(...leaders.map(({ player, score }) => element('li', { class: players.has(player) ? 'ours' : null }, element('span', { class: 'name' }, player), element('b', {}, String(score)))));
}

const article = { doubloon: 'a doubloon', pearl: 'a pearl', gem: 'a gem', crown: 'a crown' };

function heard(player, { type, payload }) {
  if (payload.leaders) showLeaders(payload.leaders);
  switch (type) {
    case 'ashore':
      if (island.height === 0) {
        island.land(payload);
        followIsland(payload.at + 1);
      }
      break;
    case 'treasure_found':
      island.find(payload);
      tell(player, `found ${article[payload.treasure] ?? payload.treasure}, worth ${payload.worth}`, payload.treasure);
      break;
    case 'hole_dug':
      tell(player, payload.again ? 'dug where a hole was' : 'found nothing', 'hole');
      break;
    case 'treasure_seen':
      island.find(payload);
      break;
    case 'tide_came':
      if (player === [...players.values()][0]) tell(player, `sees the tide come in`, null);
      break;
    case 'failed':
      tell(player, `hears nothing more: ${payload.message}`, null);
      break;
    default:
  }
  draw();
}

// --- The island's own mailbox: every dig of everybody.

async function followIsland(from) {
  for await (const { type, payload } of client.follow(ISLAND, { from, truncated: 'skip' })) {
    if (type === 'tide_due') island.tideDue(payload);
    if (type === 'dug') island.dig(payload);
    if (type === 'dug' && !players.has(payload.player) && island.isIn(payload.x, payload.y)) showStranger(payload);
    draw();
  }
}

function showStranger({ player: name, x, y }) {
  strangers.delete(name);
  strangers.set(name, [x, y]);
  if (strangers.size <= 32) return;
  const [oldest] = strangers.keys();
  strangers.delete(oldest);
  beach.remove(oldest);
}

// --- Players of this page.

const gone = [];  // Who left; what they dug still counts.

function cardOf(player) {
  const radio = element('input', { type: 'radio', name: 'who', 'aria-label': `Dig as ${player.name}`, onchange: () => choose(player) });
  const score = element('b', { class: 'score' }, '0');
  const digs = element('span', { class: 'quiet small' });
  const bot = element('button', { type: 'button', 'aria-pressed': 'false', 'aria-label': `Bot: ${player.name} digs by itself`, onclick: () => toggleBot(player) }, 'Bot');
  const leave = element('button', { type: 'button', 'aria-label': `Leave: ${player.name}`, onclick: () => part(player) }, 'Leave');
  const dot = element('span', { class: 'dot' });
  dot.style.setProperty('--colour', player.colour);
  const item = element('li', {}, element('label', {}, radio, dot, element('span', { class: 'name' }, player.name), score), digs, element('span', { class: 'buttons' }, bot, leave));
  return { item, radio, score, digs, bot };
}

function choose(player) {
  chosen = player;
  setText(byId('you'), player?.name ?? '–');
  draw();
}

function toggleBot(player) {
  if (player.bot) player.bot = false;
  else player.dance(() => { const left = island.squaresLeft(); return left[Math.floor(Math.random() * left.length)] ?? null; });
  drawNow();
}

function part(player) {
  player.leave();
  players.delete(player.name);
  gone.push(player);
  player.card.item.remove();
  beach.remove(player.name);
  if (chosen === player) choose([...players.values()][0] ?? null);
  byId('name').focus();
  draw();
}

async function join(name) {
  beach.remove(name);  // Was a stranger, perhaps.
  strangers.delete(name);
  const player = new Player({ client, island: ISLAND, name, heard, changed: draw });
  player.colour = COLOURS.find((colour) => ![...players.values()].some((other) => other.colour === colour)) ?? COLOURS[0];
  player.card = cardOf(player);
  players.set(name, player);
  byId('players').append(player.card.item);
  if (!chosen) choose(player);
  draw();
  try {
    await player.join();
  } catch (error) {
    tell(player, `cannot land: ${error.message}`, null);
  }
  return player;
}

byId('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('name').value.trim();
  if (!name) return;
  const full = players.size >= PLAYERS_MAX ? `${PLAYERS_MAX} play on this page already; let one leave first` : '';
  const why = players.has(name) ? `${name} plays on this page already` : full;
  setText(byId('join-refused'), why);
  if (why) return;
  byId('name').value = '';
  join(name).then((player) => player && choose(player));
});

// --- The server.

let kills = 0;
let deadSince = null;

function remember(words) {
  const history = byId('history');
  history.prepend(element('li', {}, element('span', { class: 'quiet' }, clock()), ` ${words}`));
  while (history.childElementCount > HISTORY) history.lastElementChild.remove();
}

function showNode(node) {
  const was = byId('server-state').dataset.process;
  kills = node.kills;
  byId('server-state').dataset.process = String(node.process);
  byId('server-state').className = `state ${node.process ? 'good' : 'bad'}`;
  byId('kill').disabled = node.process === 0;
  setText(byId('server-text'), node.process ? `Process ${node.process} is at work.` : 'The process is dead. Digs wait in this page.');
  if (was !== undefined && was !== String(node.process)) {
    if (node.process === 0) {
      deadSince = performance.now();
      remember(`process ${was} is dead`);
    } else {
      const silence = deadSince === null ? '' : `, after ${((performance.now() - deadSince) / 1000).toFixed(1)} s`;
      remember(`process ${node.process} has the same data, ready within ${node.restart_ms} ms${silence}`);
    }
  }
  draw();
}

function showSilence() {
  byId('server-state').className = 'state bad';
  byId('kill').disabled = true;
  setText(byId('server-text'), 'The demo does not answer; it may have been stopped. Digs wait in this page.');
}

byId('kill').addEventListener('click', async () => {
  byId('kill').disabled = true;
  try {
    showNode(await killNode());
  } catch (error) {
    remember(`could not kill it: ${error.message}`);
    byId('kill').disabled = false;
  }
});

// --- Begin.

const node = await askNode();
const client = connect({ addresses: `ws://${node.http}/ws`, queue: 'hunt', reconnectLongestMs: 1000 });
byId('console-link').href = `http://${node.http}/console#inspect`;
byId('console-link').hidden = false;
showNode(node);
watchNode(showNode, showSilence);

// Names of this tab outlive a reload.
const names = new Kept('sessionStorage', 'hunt.names');
const saved = JSON.parse(names.get() ?? 'null') ?? shuffled(NAMES).slice(0, 3);
names.set(JSON.stringify(saved));
const [you, ...bots] = saved;
await join(you);
for (const name of bots) join(name).then((player) => player && toggleBot(player));
