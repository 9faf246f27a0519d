// What becomes of the node's process, as its supervisor says (`carillon demo`): asked a few times a second.
const EVERY_MS = 250;
const SILENT_ROUNDS = 12;  // Longer than a restart takes.

export async function askNode() {
  const response = await fetch('/node', { cache: 'no-store' });
  if (!response.ok) throw new Error(`the supervisor answers ${response.status}`);
  return response.json();
}

export async function killNode() {
  const response = await fetch('/kill', { method: 'POST' });
  if (!response.ok) throw new Error((await response.json()).message);
  return response.json();
}

// Calls `told(node)` for every change: {process, kills, restart_ms}; process 0 while it is dead. And `silent()` when nothing is known any
// more: the supervisor itself is gone.
export async function watchNode(told, silent) {
  let before = '';
  let missed = 0;
  for (;;) {
    try {
      const node = await askNode();
      const now = JSON.stringify(node);
      if (now !== before) told(node);
      before = now;
      missed = 0;
    } catch {
      // While it starts the node it does not answer either.
      if (++missed === SILENT_ROUNDS) silent();
      if (missed >= SILENT_ROUNDS) before = '';
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
