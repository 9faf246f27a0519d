// Kills nodes at random moments, and starts them again.

import { eventually } from './eventually.js';

export const kills = Number(process.env.CARILLON_KILLS ?? 3);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// `progress()` is a number that grows while work gets done: each kill comes a random time after it has grown, so that none
// hits a node that has not been at work since the last. `between(kill)` may do more harm meanwhile.
export async function killAgainAndAgain({ nodes, dice, progress, ready = async () => {}, between = async () => {} }) {
  for (let kill = 1; kill <= kills; kill += 1) {
    await ready();
    const before = progress();
    await eventually(async () => (await progress()) > (await before), `work gets done before kill ${kill}`, 30_000);
    await pause(dice(200));
    const node = nodes[dice(nodes.length)];
    await node.kill();
    await between(kill);
    await pause(dice(50));
    await node.start();
  }
}
