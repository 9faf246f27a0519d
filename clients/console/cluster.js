// Nodes and partitions. Of a node that is alone: how many partitions there are, and whether all accept.
import { element, grouped } from './dom.js';

const ROLES = { primary: 'primary', in_sync: 'in sync', joining: 'joining', stranger: 'no copy' };

// Drawn anew only when something has changed, so that the keyboard's place and a selection stay.
export class ClusterView {
  #place;
  #shown = '';

  constructor(place) {
    this.#place = place;
  }

  showAlone(unavailable) {
    const text = unavailable > 0 ? `This node is alone; ${grouped(unavailable)} of its partitions accept nothing now.` : 'This node is alone, and all of its partitions accept.';
    this.#show(text, () => [element('p', { class: 'card' }, text)]);
  }

  // `unavailable`: partitions that nobody serves, as far as the node that was asked can tell.
  show(cluster, unavailable) {
    this.#show(JSON.stringify([cluster, unavailable]), () => [element('p', { class: 'hint' }, sentenceOf(cluster, unavailable)), nodesOf(cluster), partitionsOf(cluster)]);
  }

  showFailure(error) {
    this.#show(error.message, () => [element('p', { class: 'card error' }, `Nothing is known of the cluster: ${error.message}`)]);
  }

  #show(what, make) {
    if (what === this.#shown) return;
    const within = this.#place.querySelector('.scroller');
    const scrolled = within?.scrollLeft ?? 0;
    const focused = within !== null && document.activeElement === within;
    this.#shown = what;
    this.#place.replaceChildren(...make());
    const again = this.#place.querySelector('.scroller');
    if (again) again.scrollLeft = scrolled;
    if (focused) again?.focus();
  }
}

const count = (number, one, many) => `${grouped(number)} ${number === 1 ? one : many}`;

// Nodes that have left, and whose copies are waited for.
function goneFrom(cluster) {
  const members = new Set(cluster.nodes.map((node) => node.node));
  const named = cluster.partitions.flatMap((partition) => [partition.primary, ...partition.replicas, ...partition.in_sync]);
  return [...new Set(named)].filter((node) => node && !members.has(node)).sort();
}

function sentenceOf(cluster, unavailable) {
  const { nodes, partitions, replicas, min_in_sync: needed } = cluster;
  const gone = goneFrom(cluster);
  const have = `${count(nodes.length, 'node', 'nodes')}${gone.length > 0 ? `, ${gone.join(' and ')} gone` : ''}; ${count(partitions.length, 'partition', 'partitions')} of ${count(replicas, 'copy', 'copies')}, ${grouped(needed)} needed to accept.`;
  const stopped = partitions.filter((partition) => !partition.accepts).length;
  const few = partitions.filter((partition) => partition.under_replicated).length;
  if (stopped > 0) return `${have} ${count(stopped, 'accepts', 'accept')} nothing now.`;
  if (unavailable > 0) return `${have} ${count(unavailable, 'has', 'have')} no primary in reach now.`;
  return few > 0 ? `${have} ${count(few, 'lacks', 'lack')} copies now; all accept.` : `${have} All are well.`;
}

function stateOf(node, asked) {
  if (node.drain && node.drain !== 'nothing') return ['warn', node.drained ? 'drained' : 'draining'];
  if (node.node !== asked && !node.linked) return ['bad', '✕ no link'];
  return ['good', '✓ well'];
}

function cardOf(name, kind, words, rows) {
  return element(
    'li',
    { class: 'card' },
    element('h3', {}, name, ' ', element('span', { class: `status ${kind}` }, words)),
    element('dl', {}, ...rows.flatMap((row) => (row ? [element('dt', {}, row[0]), element('dd', {}, row[1])] : []))),
  );
}

function nodesOf(cluster) {
  const waitedFor = (node) => cluster.partitions.filter((partition) => partition.replicas.includes(node)).length;
  return element(
    'ul',
    { class: 'nodes', 'aria-label': `Nodes of cluster ${cluster.cluster}` },
    ...cluster.nodes.map((node) => {
      const [kind, words] = stateOf(node, cluster.asked);
      const roles = [node.node === cluster.asked ? 'this one' : null, node.node === cluster.controller ? 'controls placement' : null].filter(Boolean).join(', ');
      return cardOf(node.node, kind, words, [
        ['primary of', grouped(node.primaries)],
        ['copies', grouped(node.copies)],
        ['HTTP', node.http],
        ['RPC', node.rpc],
        roles ? ['role', roles] : null,
      ]);
    }),
    ...goneFrom(cluster).map((node) => cardOf(node, 'bad', '✕ gone', [['copies', `${grouped(waitedFor(node))} wait for it`]])),
  );
}

function remarkOf(partition, cluster) {
  if (!partition.accepts) return ['bad', `✕ accepts nothing: fewer than ${cluster.min_in_sync} in sync`];
  if (partition.under_replicated) return ['warn', '! under-replicated'];
  return ['good', '✓ well'];
}

function copyIn(partition, node, isMember) {
  const copy = partition.copies.find((one) => one.node === node);
  if (!copy) return element('td', {}, element('span', { class: 'role stranger' }, ROLES.stranger));
  // What a node that has left was, and how far it was behind, says nothing of it now.
  if (!isMember && node !== partition.primary) return element('td', {}, element('span', { class: 'role stranger' }, '✕ away'));
  const role = node === partition.primary ? 'primary' : partition.in_sync.includes(node) ? 'in_sync' : 'joining';
  const lag = copy.keeps_missing_entries ? 'has more' : copy.copying ? 'is given a copy' : copy.lag_entries > 0 ? `behind by ${grouped(copy.lag_entries)}` : ''; // Known of what this node is the primary of.
  return element('td', {}, element('span', { class: `role ${role}` }, ROLES[role]), ' ', element('span', { class: `lag${copy.lag_entries > 0 || copy.copying ? ' behind' : ''}` }, lag));
}

function partitionsOf(cluster) {
  const names = [...cluster.nodes.map((node) => node.node), ...goneFrom(cluster)].sort();
  return element(
    'div',
    { class: 'card' },
    element(
      'div',
      { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Partitions: what each node is to them' },
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Partition'), element('th', { scope: 'col' }, 'Replication'), ...names.map((name) => element('th', { scope: 'col' }, name)), element('th', { scope: 'col', class: 'number' }, 'Epoch'))),
        element(
          'tbody',
          {},
          ...cluster.partitions.map((partition) => {
            const [kind, words] = remarkOf(partition, cluster);
            return element('tr', {}, element('th', { scope: 'row' }, String(partition.partition)), element('td', { class: `status ${kind}` }, words), ...names.map((name) => copyIn(partition, name, cluster.nodes.some((one) => one.node === name))), element('td', { class: 'number' }, grouped(partition.epoch)));
          }),
        ),
      ),
    ),
  );
}
