// A tab that publishes 1, 2, 3, … to its streams, and follows them, across reloads. What it did is noted in localStorage, each
// number in the turn in which it was published or shown, so that a reload falls between turns.

import { connect } from '/index.js';

const parameters = new URLSearchParams(location.search);
const name = parameters.get('name'); // Of the tab.
const streams = parameters.get('streams').split(',');
const note = (what) => `note ${name} ${what}`;
const noted = (what) => Number(localStorage.getItem(note(what)) ?? 0);

const tab = { published: 0, errors: [], states: [], follows: 0 };
globalThis.tab = tab;

const carillon = connect({
  addresses: parameters.get('addresses').split(','),
  reconnectFirstMs: 20,
  reconnectLongestMs: 200,
});
tab.carillon = carillon;
carillon.on('state', ({ state }) => tab.states.push(state));
carillon.on('refused', ({ error }) => tab.errors.push(`refused: ${error.message}`));

tab.publish = (stream) => {
  const n = noted(`published ${stream}`) + 1;
  carillon.publish(stream, 'note', { tab: name, n }).catch((error) => tab.errors.push(`${n}: ${error.message}`));
  localStorage.setItem(note(`published ${stream}`), n);
  tab.published += 1;
};

async function follow(stream) {
  for await (const event of carillon.follow(stream, { from: noted(`seen ${stream}`) + 1 })) {
    if (event.offset !== noted(`seen ${stream}`) + 1) tab.errors.push(`${stream} went on at ${event.offset}`);
    localStorage.setItem(note(`seen ${stream}`), event.offset);
    if (event.payload.tab !== name) continue;
    if (event.payload.n !== noted(`shown ${stream}`) + 1) tab.errors.push(`${stream} showed ${event.payload.n}`);
    localStorage.setItem(note(`shown ${stream}`), event.payload.n);
  }
}

// At most 100 unconfirmed, so that the page does not run away while the server is down.
tab.start = (everyMs) => {
  let turn = 0;
  tab.timer = setInterval(() => {
    if (carillon.unconfirmed < 100) tab.publish(streams[(turn += 1) % streams.length]);
  }, everyMs);
};
tab.stop = () => clearInterval(tab.timer);

tab.report = () => ({
  published: streams.map((stream) => noted(`published ${stream}`)),
  shown: streams.map((stream) => noted(`shown ${stream}`)),
  unconfirmed: carillon.unconfirmed,
  errors: tab.errors,
  state: carillon.state,
});

for (const stream of streams) follow(stream).catch((error) => tab.errors.push(`${stream}: ${error.message}`));
// From the first welcome on, what is published is kept in the turn in which it is.
if (carillon.state !== 'open') {
  await new Promise((resolve) => {
    const off = carillon.on('state', ({ state }) => {
      if (state !== 'open') return;
      off();
      resolve();
    });
  });
}
tab.start(Number(parameters.get('every') ?? 5));
