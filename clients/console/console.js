// The console: one round of questions a second, and the sections that show the answers.
import * as api from './api.js';
import { Chart } from './chart.js';
import { ClusterView } from './cluster.js';
import { DeadLettersView } from './deadletters.js';
import { byId, element, grouped, milliseconds, rounded, setText, span } from './dom.js';
import { Inspector } from './inspector.js';
import { between, histogramsOf, parseMetrics, quantile } from './metrics.js';
import { StreamView } from './stream.js';
import { themeSwitch } from './theme.js';

const EVERY_MS = 1000;
const ROUNDS_PER_DEAD_LETTERS = 5;

themeSwitch(byId('theme'));

// --- Charts.

const eventsChart = new Chart(byId('events-chart'), {
  label: 'Events per second',
  lines: [
    { name: 'accepted', class: 'accepted', filled: true },
    { name: 'from hubs', class: 'notified' },
    { name: 'delivered', class: 'delivered' },
  ],
  format: rounded,
  floor: 10,
});
const latencyChart = (place, label) =>
  new Chart(byId(place), {
    label,
    lines: [
      { name: 'half within', class: 'p50' },
      { name: '99 % within', class: 'p99' },
    ],
    format: milliseconds,
    logarithmic: true,
    floor: 1,
  });
const latencyCharts = {
  publish: latencyChart('publish-chart', 'Latency of publishing'),
  deliver: latencyChart('deliver-chart', 'Latency of delivery'),
};

// --- Sections.

const clusterView = new ClusterView(byId('cluster-view'));
const deadLetters = new DeadLettersView({
  status: byId('deadletters-status'),
  table: byId('deadletters-table'),
  rows: byId('deadletters-rows'),
  inspect: (entity) => goTo(entity),
});
const inspector = new Inspector({
  form: byId('inspect-form'),
  input: byId('inspect-entity'),
  place: byId('inspection'),
  settled: () => deadLetters.refresh(),
});
new StreamView({
  form: byId('stream-form'),
  entity: byId('stream-entity'),
  from: byId('stream-from'),
  stop: byId('stream-stop'),
  status: byId('stream-status'),
  rows: byId('stream-events'),
});

function goTo(entity) {
  inspector.inspect(entity);
  if (!byId('stream-entity').value) byId('stream-entity').value = entity;
  byId('inspect').scrollIntoView({ block: 'nearest' });
  byId('inspect-entity').focus({ preventScroll: true });
}

// --- What a round brings.

let before = null;  // The last round's figures and histograms, with their time.

function showFlow(counters, histograms, at) {
  const rate = (name) => {
    const passed = before ? (at - before.at) / 1000 : 0;
    const risen = (counters[name] ?? 0) - (before?.counters[name] ?? 0);
    return passed > 0 && risen >= 0 ? risen / passed : NaN;
  };
  const rates = ['events_accepted_total', 'emissions_accepted_total', 'events_delivered_total'].map(rate);
  eventsChart.add(rates);
  ['accepted-rate', 'notified-rate', 'delivered-rate'].forEach((id, i) => setText(byId(id), rounded(rates[i])));
  for (const [stage, chart] of Object.entries(latencyCharts)) {
    const buckets = histograms[stage] && before ? between(before.histograms[stage], histograms[stage]) : [];
    const values = [0.5, 0.99].map((share) => quantile(buckets, share) * 1000);
    chart.add(values);
    // The last ones stay to be read while nothing comes.
    if (Number.isFinite(values[0])) ['p50', 'p99'].forEach((name, i) => setText(byId(`${stage}-${name}`), milliseconds(values[i])));
  }
  before = { counters, histograms, at };
}

function showTiles(counters) {
  const refused = counters.connections_refused_total ?? 0;
  const tiles = [
    ['connections', grouped(counters.connections ?? 0), refused > 0 ? ['warn', `! ${grouped(refused)} refused`] : null],
    ['hubs in memory', grouped(counters.hubs_active ?? 0)],
    ['events accepted', grouped(counters.events_accepted_total ?? 0)],
    ['duplicates dropped', grouped((counters.events_duplicate_total ?? 0) + (counters.emissions_duplicate_total ?? 0))],
    ['refused for load', grouped(counters.events_overloaded_total ?? 0), counters.events_overloaded_total > 0 ? ['warn', '! more than the node takes'] : null],
    ['partitions away', grouped(counters.partitions_unavailable ?? 0), counters.partitions_unavailable > 0 ? ['bad', '✕ accept nothing'] : null],
    ['disk', counters.store_read_only ? 'read-only' : 'writes', counters.store_read_only ? ['bad', '✕ it refused a write'] : null],
  ];
  const made = tiles.map(([name, value, alarm]) =>
    element('div', { class: alarm?.[0] }, element('dt', {}, name), element('dd', {}, value, alarm ? element('span', { class: 'why' }, alarm[1]) : null)),
  );
  byId('tiles').replaceChildren(...made);
}

function showStages(stages) {
  byId('stages').replaceChildren(
    ...stages.map((stage) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, stage.stage),
        ...[grouped(stage.count), ...[stage.p50_ms, stage.p99_ms, stage.max_ms].map((ms) => (stage.count > 0 ? milliseconds(ms) : '–'))].map((text) => element('td', { class: 'number' }, text)),
      ),
    ),
  );
}

let busiestShown = '';
function showBusiest(busiest) {
  const place = byId('busiest-list');
  const now = JSON.stringify(busiest);
  if (now === busiestShown) return;
  busiestShown = now;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.entity : undefined;
  const most = Math.max(1e-9, ...busiest.map((one) => one.events_per_s));
  place.replaceChildren(
    ...busiest.slice(0, 12).map((one) => {
      const bar = element('span', { class: 'bar' });
      bar.style.width = `${(100 * one.events_per_s) / most}%`;
      const button = element(
        'button',
        { type: 'button', onclick: () => goTo(one.entity) },
        bar,
        element('span', { class: 'name', title: one.entity }, one.entity),
        element('span', { class: 'rate' }, `${rounded(one.events_per_s)}/s`),
      );
      button.dataset.entity = one.entity;
      return element('li', {}, button);
    }),
  );
  if (busiest.length === 0) place.append(element('li', { class: 'quiet' }, 'Nobody takes anything now.'));
  if (focused !== undefined) ([...place.querySelectorAll('button')].find((button) => button.dataset.entity === focused) ?? place.querySelector('button'))?.focus();
}

// --- Health, in the status line: said only when it changes.

function showHealth(kind, text, problems = []) {
  byId('health').className = `health ${kind}`;
  setText(byId('health-text'), text);
  const list = byId('problems');
  list.hidden = problems.length === 0;
  if (list.textContent !== problems.join('')) list.replaceChildren(...problems.map((problem) => element('li', {}, problem)));
}

// --- The round.

const within = () => ({ signal: AbortSignal.timeout(5000) });
let rounds = 0;

async function round() {
  const [stats, text, health, cluster] = await Promise.allSettled([api.stats(within()), api.metrics(within()), api.health(within()), api.cluster(within())]);
  if (stats.status === 'rejected') {
    const { error, message } = stats.reason;
    before = null;
    byId('main').classList.add('stale');
    ['accepted-rate', 'notified-rate', 'delivered-rate'].forEach((id) => setText(byId(id), '–'));
    eventsChart.add([NaN, NaN, NaN]);
    Object.values(latencyCharts).forEach((chart) => chart.add([NaN, NaN]));
    if (error === 'unauthenticated') {
      showHealth('bad', api.token.get() ? 'The node does not take this token' : 'The node wants a token', [message]);
      wantToken(api.token.get() ? message : '');
    } else if (error === 'forbidden') {
      showHealth('bad', 'This token may not see the node’s figures', [message]);
    } else {
      showHealth('bad', 'The node does not answer');
    }
    return;
  }
  byId('main').classList.remove('stale');
  const figures = stats.value;
  const samples = text.status === 'fulfilled' ? parseMetrics(text.value) : [];
  setText(byId('version'), figures.version);
  setText(byId('uptime'), `up ${span(figures.uptime_ms)}`);
  showFlow(figures.counters, histogramsOf(samples, 'carillon_stage_seconds', 'stage'), performance.now());
  showTiles(figures.counters);
  showStages(figures.stages);
  showBusiest(figures.busiest ?? []);
  if (cluster.status === 'fulfilled') {
    setText(byId('node-name'), `${cluster.value.asked} of ${cluster.value.cluster}`);
    clusterView.show(cluster.value, figures.counters.partitions_unavailable ?? 0);
  } else if (cluster.reason.error === 'unavailable') {
    clusterView.showAlone(figures.counters.partitions_unavailable ?? 0);
  } else {
    clusterView.showFailure(cluster.reason);
  }
  const problems = health.status === 'fulfilled' ? health.value.problems : [];
  if (health.status === 'rejected') showHealth('warn', 'The node does not say how it is', [health.reason.message]);
  else if (problems.length === 0) showHealth('good', 'All is well');
  else showHealth('warn', problems.length === 1 ? 'One problem' : `${problems.length} problems`, problems);
  if (rounds++ % ROUNDS_PER_DEAD_LETTERS === 0) deadLetters.refresh();
}

async function goOn() {
  const began = performance.now();
  // Nobody looks at a hidden page.
  if (!document.hidden) await round();
  setTimeout(goOn, Math.max(100, EVERY_MS - (performance.now() - began)));
}

// --- The token.

const tokenDialog = byId('token-dialog');
let tokenWasRefused = false;  // Asked for by itself only once; then by the button.

function openTokenDialog() {
  byId('token-input').value = api.token.get();
  tokenDialog.returnValue = '';  // Escape leaves it as it is.
  tokenDialog.showModal();
}
function wantToken(why) {
  if (tokenWasRefused || tokenDialog.open) return;
  tokenWasRefused = true;
  if (why) setText(byId('token-why'), `${why} It is kept in this tab only.`);
  openTokenDialog();
}
byId('token-button').addEventListener('click', openTokenDialog);
tokenDialog.addEventListener('close', () => {
  if (tokenDialog.returnValue === 'use') api.token.set(byId('token-input').value.trim());
  byId('token-input').value = '';
  if (tokenDialog.returnValue !== 'forget') return;
  api.token.set('');
  location.reload();  // What it showed goes with it.
});

goOn();
