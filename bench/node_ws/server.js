// A plain WebSocket server to hold `carillon bench sockets` against: Node and the `ws` package, everything in memory.
//
// Speaks as much of carillon.v1 (docs/protocol.md) as the bench needs, does the work of the hub in bench/hunt, and sends frames of
// the same size. Nothing behind it is durable: no history, no disk, no producers remembered. It counts what a player got
// since it followed, and nothing else; what is sent to a player who is not there is gone. There are no pings, limits, tokens or checks.
// Started as `carillon serve` is; of the arguments only --ready-file counts.
import { renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const PAYLOAD_BYTES = 128;
const NOISE = 'CdhYmD3zQ0uWqLx7RfVkA9sJtB_2gN4eHiPoU8yK5wXcMvEr1lG-TbZS6jInOaFp'.repeat(2); // Does not compress to nothing.

const players = new Map(); // Entity → { socket, id, heard }: who follows it, under which id. The last one to ask gets it.
let emitted = 0;

const welcome = JSON.stringify({
  welcome: { version: 'node-ws', ping_every_ms: 15000, idle_timeout_ms: 45000, payload_bytes_max: 65536, batch_events_max: 8192,
    message_bytes_max: 1048576, follows_max: 100000 },
});

// The payload of a find, with a filler that makes it as long as Carillon's.
function payloadOf({ id, at, index, player }) {
  const start = `{"id":${id},"at":${at},"index":${index},"player":${player},"filler":"`;
  return `${start}${NOISE.slice(0, PAYLOAD_BYTES - start.length - 2)}"}`;
}

function notify(player, from, payload, acceptedAt) {
  const follower = players.get(`player/p${player}`);
  if (!follower) return;
  const head = `{"events":{"id":${follower.id},"first":${++follower.heard},"events":[{"type":"find","payload":${payload}`;
  follower.socket.send(`${head},"accepted_at":"${acceptedAt}","producer":"hub ${from}","sequence":${++emitted}}]}}`);
}

// The hub, as bench/hunt/hunt_behaviour.cc has it. Which players of a hub's audience a dig is for, any dice may say.
const hub = {
  muster({ entity, payload: { id, at, players: count } }, acceptedAt) {
    const payload = payloadOf({ id, at, index: 0, player: 0 }); // The same for all.
    for (let player = 0; player < count; ++player) notify(player, entity, payload, acceptedAt);
  },
  dig({ entity, payload: { id, at, hub: number, k, audience } }, acceptedAt) {
    for (let index = 0; index < k; ++index) {
      const dice = Math.imul((id % 0x100000000) * 31 + index + 1, 0x9e3779b1) >>> 8;
      const player = number * audience + (dice % audience);
      notify(player, entity, payloadOf({ id, at, index, player }), acceptedAt);
    }
  },
};

const answers = {
  follow({ id, entity }, socket, followed) {
    players.set(entity, { socket, id, heard: 0 });
    followed.push(entity);
    return { following: { id, next: 1, last: 0 } };
  },
  publish({ id, events }) {
    const acceptedAt = new Date().toISOString();
    for (const event of events) hub[event.type](event, acceptedAt);
    return { published: { id, accepted: events.length, duplicates: 0, refusals: [] } };
  },
  pong() {},
};

const server = createServer((request, response) => response.writeHead(404).end());
const sockets = new WebSocketServer({ server, path: '/ws', maxPayload: 1048576, clientTracking: false });
sockets.on('connection', (socket) => {
  const followed = [];
  socket.on('message', (message) => {
    const [[name, request]] = Object.entries(JSON.parse(message));
    const answer = answers[name](request, socket, followed);
    if (answer) socket.send(JSON.stringify(answer));
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    for (const entity of followed) if (players.get(entity)?.socket === socket) players.delete(entity);
  });
  socket.send(welcome);
});

process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', () => {
  const address = `127.0.0.1:${server.address().port}`;
  const readyFile = process.argv[process.argv.indexOf('--ready-file') + 1];
  // `rpc` must be named; there is none, and the bench does not ask for it. Renamed into place: nobody reads half of it.
  writeFileSync(`${readyFile}.new`, `${JSON.stringify({ rpc: address, http: address })}\n`);
  renameSync(`${readyFile}.new`, readyFile);
});
