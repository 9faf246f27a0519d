// carillon-client: publish exactly once, follow without a gap. The protocol and its errors: docs/protocol.md.

/** Names of what can go wrong: the protocol's closed list, and two of this library. */
export type ErrorCode =
  | 'malformed'
  | 'unauthenticated'
  | 'forbidden'
  | 'unknown_kind'
  | 'unknown_type'
  | 'not_found'
  | 'truncated'
  | 'payload_too_large'
  | 'beyond_end'
  | 'limit_exceeded'
  | 'overloaded'
  | 'unavailable'
  /** The client was closed. */
  | 'closed'
  /** No answer in time; seen in the details of states only, for the client tries again by itself. */
  | 'timeout';

export class CarillonError extends Error {
  readonly name: 'CarillonError';
  /** A later version of the protocol may have names that are not listed. */
  readonly code: ErrorCode | (string & {});
  /** For `overloaded` and `unavailable`. */
  readonly retryAfterMs?: number;
  /** For `truncated` and `beyond_end`: the nearest offset that can be asked for. */
  readonly firstOffset?: number;
  /** Passes by itself: the same request may be answered well later, by a client that is not closed. */
  readonly passes: boolean;
}

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json | undefined };

/** An event as it stands in a mailbox. */
export interface CarillonEvent<Payload = any> {
  entity: string;
  /** Its place in the mailbox: 1, 2, 3, … without gaps. */
  offset: number;
  type: string;
  payload: Payload;
  producer: string;
  sequence: number;
  /** RFC 3339, UTC. */
  acceptedAt: string;
  /** An operator has published a dead letter again: the offset in this stream of the event that this one repeats. */
  redriveOf?: number;
  /** W3C Trace Context: as published; of what a hub sent, that of the event that it handled. */
  traceparent?: string;
}

export interface FollowOptions {
  /**
   * The first offset wanted: one more than the last that was handled. `'end'`: what comes from now on. `'acknowledged'`: what
   * `device` has not acknowledged; all that is kept, when it has acknowledged nothing, or when 32 others have since. Default: 1.
   */
  from?: number | 'end' | 'acknowledged';
  device?: string;
  /**
   * For `player/NAME`: as long as this is followed the player is there, for hubs that watch; so a short loss of the connection is not
   * told (10 s, `serve --presence-grace`). A reader who has let the buffer fill up is not following, and after that time not
   * there, until half of it is read. Default: false.
   */
  present?: boolean;
  /** When the server no longer has the wanted offset: throw `truncated` (default), or go on at the first that is kept. */
  truncated?: 'throw' | 'skip';
  /** Ends the iteration; the signal's reason is thrown. */
  signal?: AbortSignal;
  /** Bounds of what waits here for a slow reader. Defaults: 1,000 events, 1 MiB. */
  bufferEvents?: number;
  bufferBytes?: number;
}

/** The events of one stream, for `for await`; each once, in order, without a gap, whatever happens to connections. */
export interface Stream<Payload = any> extends AsyncIterableIterator<CarillonEvent<Payload>> {
  readonly entity: string;
  /** Where another follow would go on: behind the event that was read last. Null until that is known. */
  readonly position: number | null;
}

export interface PublishOptions {
  /** The trace that the event belongs to, as in the header of W3C Trace Context. One that has not that form is ignored. */
  traceparent?: string;
}

export interface Published {
  producer: string;
  sequence: number;
}

export interface DevicePosition {
  device: string;
  offset: number;
  /** Events behind it. */
  unread: number;
}

export type State = 'connecting' | 'open' | 'waiting' | 'closed';

export interface StateChange {
  state: State;
  /** With `connecting` and `open`. */
  address?: string;
  /** With `open`: what the gateway said of itself. */
  welcome?: Record<string, unknown>;
  /** With `waiting` and `closed`: why. */
  error?: CarillonError;
  /** With `waiting`. */
  retryInMs?: number;
}

export interface TokenRefused {
  /**
   * `unauthenticated`: expired, of a key that the gateway does not know, none at all, or `token` itself failed (see its `cause`).
   * `forbidden`: of another subject, or it does not allow what is being followed.
   */
  error: CarillonError;
  /** Until when the connection goes on with the token before (RFC 3339, UTC). Absent where there is none. */
  expiresAt?: string;
}

export interface RefusedEvent {
  event: { sequence: number; entity: string; type: string; payload: any; traceparent?: string };
  error: CarillonError;
}

/** The part of `Storage` (as in `localStorage`) that is used. */
export interface StorageLike {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** For tests. */
export interface Clock {
  now(): number;
  setTimeout(action: () => void, ms: number): any;
  clearTimeout(timer: any): void;
}

export interface ConnectOptions {
  /** Of one or several gateways, as in `ws://127.0.0.1:7480/ws`; used in turn, beginning with any. */
  addresses: string | URL | readonly (string | URL)[];
  /** A JWT, or what gives one: called before each connection, and when the one in use is about to expire. */
  token?: string | (() => string | Promise<string>);
  /**
   * So many tokens in a row that `token` gave are refused by gateways, and the client is closed with `unauthenticated`: iterations
   * throw it, and what waits to be published is rejected with it (and stays in the storage). Default: 5, which takes a few seconds.
   * An error that `token` throws does not count: it is called again, without end.
   */
  tokenRefusalsMax?: number;
  /**
   * Whose events these are; by default the token's subject, or, where that cannot be read, whom the gateway takes us for. From the
   * first `open` on, what is published is kept in the turn in which it is (shortly after, when it was for the gateway to say);
   * before that it is kept as soon as it is known who publishes, for which this need not wait for a token.
   */
  user?: string;
  /**
   * Keeps unconfirmed events; when it is full from the beginning, memory does. Default: `localStorage` where there are Web Locks
   * (secure pages), else memory.
   */
  storage?: StorageLike;
  /** The queue's name in the storage: one each for applications of one origin that use different servers. Default: `carillon`. */
  queue?: string;
  /** Bounds of what waits to be confirmed. Defaults: 1,000 events, 1 MiB. */
  queueEventsMax?: number;
  queueBytesMax?: number;
  /** Default: `globalThis.WebSocket`. With Node before 22, the one of the package `ws`. */
  WebSocket?: new (url: any, protocols?: any) => any;
  /**
   * The pause before the next attempt, times 0.5 to 1.5; doubles from the first to the longest. Defaults: 100, 5,000. After a
   * refusal for too many connections, messages or bytes it is from 1,000 on, and on top of what the gateway asks for (1,000 at least).
   */
  reconnectFirstMs?: number;
  reconnectLongestMs?: number;
  /** An attempt to connect that takes longer is given up. Default: 10,000. */
  attemptMs?: number;
  /** How long nothing may come before the gateway is asked whether it is there. Default: as the gateway says, 15,000. */
  pingMs?: number;
  clock?: Clock;
  random?: () => number;
}

export interface Carillon {
  readonly state: State;
  /**
   * Events that are published and not yet confirmed, those of earlier pages included: of the one before from when it is known whose
   * events these are (see `user`), of closed tabs from when this page takes them over.
   */
  readonly unconfirmed: number;

  /**
   * Resolves when the event is on stable storage. Repeats it as often as needed, in order, once. Rejects with a
   * CarillonError: what cannot be mended by repeating; `limit_exceeded` when the queue or the storage is full; `closed` by
   * close(), which leaves the event in the storage.
   */
  publish(entity: string, type: string, payload?: { [member: string]: any }, options?: PublishOptions): Promise<Published>;
  /**
   * Resolves when nothing is unconfirmed. Where the storage holds events it first waits until it is known whose events these are (see
   * `user`), so that what the page before left is sent, too; as long as `token` gives nothing or no gateway can be reached, it goes on
   * waiting. It does not wait for what closed tabs left and this page has not taken over yet. Rejects when the client closes before:
   * with `closed` after close(), else with the error that closed it.
   */
  flush(): Promise<void>;

  follow<Payload = any>(entity: string, options?: FollowOptions): Stream<Payload>;

  /** Stores how far a device has read. Resolves to the offset that holds: positions never go back. */
  acknowledge(entity: string, position: { device: string; offset: number }): Promise<number>;
  /** How far the devices have read, and the offset of the last event. */
  positions(entity: string): Promise<{ last: number; devices: DevicePosition[] }>;

  /** Calls `listener` from now on; gives the function that ends it. */
  on(name: 'state', listener: (change: StateChange) => void): () => void;
  /** An event of an earlier page was refused for good. Those of this page reject their promise instead. */
  on(name: 'refused', listener: (refused: RefusedEvent) => void): () => void;

  /**
   * A token that `token` gave was refused, for a connection that is to begin or for one whose token is about to expire; the latter
   * goes on with that one until it expires, and `token` is called again every 5 s meanwhile.
   */
  on(name: 'token_refused', listener: (refused: TokenRefused) => void): () => void;

  /** Ends the connection, and all iterations; what is unconfirmed stays in the storage. */
  close(): Promise<void>;
}

/** Connects, and stays connected until close(). Returns at once; throws a CarillonError when the options are of no use. */
export function connect(options: ConnectOptions): Carillon;
