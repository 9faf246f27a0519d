// carillon-client: publish exactly once, follow without a gap, from browsers and Node. See README.md and index.d.ts.

import { CarillonError } from './lib/errors.js';
import { Client } from './lib/client.js';
import { MemoryStorage } from './lib/ledger.js';
import { systemClock } from './lib/clock.js';

export { CarillonError };

// The browser's own storages, where they exist, may be used, and tabs can be told apart.
function browserStorages() {
  try {
    const { localStorage, sessionStorage, navigator, document } = globalThis;
    if (!document || !localStorage || !sessionStorage || !navigator?.locks) return null;
    void (localStorage.length + sessionStorage.length); // Throws where a file of the browser's is damaged.
    return { storage: localStorage, session: sessionStorage, tabLocks: navigator.locks };
  } catch {
    return null; // Forbidden by the user, or of no use.
  }
}

export function connect(options) {
  const addresses = [options?.addresses ?? []].flat().map(String);
  if (addresses.length === 0) throw new CarillonError('malformed', 'connect() needs `addresses`, as in ws://127.0.0.1:7480/ws');
  for (const address of addresses) {
    if (!/^wss?:\/\//.test(address)) throw new CarillonError('malformed', `${address} is no address that begins with ws:// or wss://`);
  }
  const WebSocket = options.WebSocket ?? globalThis.WebSocket;
  if (!WebSocket) {
    throw new CarillonError('malformed', 'there is no WebSocket here: with Node 20, give the one of the package `ws` as an option');
  }
  const storages = options.storage
    ? { storage: options.storage, session: new MemoryStorage(), tabLocks: null }
    : (browserStorages() ?? { storage: new MemoryStorage(), session: new MemoryStorage(), tabLocks: null });
  return new Client({
    addresses,
    token: options.token,
    user: options.user,
    queue: options.queue ?? 'carillon',
    queueLimits: {
      eventsMax: options.queueEventsMax ?? 1_000,
      bytesMax: options.queueBytesMax ?? 1024 * 1024,
    },
    backoff: { firstMs: options.reconnectFirstMs, longestMs: options.reconnectLongestMs },
    attemptMs: options.attemptMs ?? 10_000,
    pingMs: options.pingMs ?? null,
    tokenRefusalsMax: options.tokenRefusalsMax ?? 5,
    WebSocket,
    ...storages,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  });
}
