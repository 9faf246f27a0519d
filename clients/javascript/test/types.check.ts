// The types, as an application meets them. Compiled by types.test.js, never run.
import { CarillonError, connect } from 'carillon-client';
import type { Carillon, CarillonEvent, ConnectOptions, Published, State, StorageLike, Stream, TokenRefused } from 'carillon-client';
import WebSocket from 'ws';

interface Found {
  x: number;
  y: number;
}

const carillon: Carillon = connect({ addresses: ['ws://a/ws', new URL('wss://b/ws')], token: async () => 'e30.e30.e30', WebSocket });
connect({ addresses: 'ws://a/ws', storage: localStorage, queue: 'hunt', user: 'ana', tokenRefusalsMax: 10, WebSocket: globalThis.WebSocket });

export async function play(signal: AbortSignal): Promise<number> {
  const published: Published = await carillon.publish('hunt/island', 'dug', { x: 3, y: 4 });
  await carillon.publish('hunt/island', 'left');
  await carillon.publish('hunt/island', 'dug', {}, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  const stream: Stream<Found> = carillon.follow<Found>('player/ana', { from: 'acknowledged', device: 'phone', signal });
  for await (const event of stream) {
    const trace: string | undefined = event.traceparent;
    const repeated: number | undefined = event.redriveOf;
    console.log(trace, repeated);
    const { x, y }: Found = event.payload;
    const offset: number = await carillon.acknowledge('player/ana', { device: 'phone', offset: event.offset });
    if (x + y + offset > 10) break;
  }
  const { last, devices } = await carillon.positions('player/ana');
  const off: () => void = carillon.on('state', ({ state, error, retryInMs }) => {
    const known: State = state;
    console.log(known, error?.code, retryInMs?.toFixed());
  });
  carillon.on('token_refused', ({ error, expiresAt }: TokenRefused) => console.log(error.code, expiresAt?.length));
  carillon.on('refused', ({ event, error }) => console.log(event.entity, error.message));
  off();
  await carillon.flush();
  await carillon.close();
  return last + devices.length + published.sequence;
}

export function reason(error: unknown): string {
  if (!(error instanceof CarillonError)) throw error;
  return error.code === 'truncated' ? `from ${error.firstOffset}` : error.message;
}

const event: CarillonEvent | undefined = undefined;
const storage: StorageLike = sessionStorage;
const options: ConnectOptions = { addresses: [], storage };

// @ts-expect-error: no addresses
connect({});
// @ts-expect-error: a payload is an object
carillon.publish('hunt/island', 'dug', 7);
// @ts-expect-error: a trace is a text
carillon.publish('hunt/island', 'dug', {}, { traceparent: 7 });
// @ts-expect-error: no such start
carillon.follow('player/ana', { from: 'beginning' });
carillon.follow('player/ana', { present: true });
// @ts-expect-error: there or not
carillon.follow('player/ana', { present: 'yes' });
// @ts-expect-error: no such event
carillon.on('open', () => {});
// @ts-expect-error: an acknowledgement is of a device
carillon.acknowledge('player/ana', { offset: 3 });

export { event, options };
