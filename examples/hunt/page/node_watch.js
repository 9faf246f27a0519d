// What becomes of the node's process, as its supervisor says (`carillon demo`): asked a few times a second.
const EVERY_MS = 250;

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

// Calls `told(node)` for every change: {process, kills, restart_ms}; process 0 while it is dead.
export async function watchNode(told) {
  let before = '';
  for (;;) {
    try {
      const node = await askNode();
      const now = JSON.stringify(node);
      if (now !== before) told(node);
      before = now;
    } catch {
      // The supervisor starts the node, or is gone: either shows in the connection.
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
