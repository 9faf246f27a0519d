// What an event looks like on the wire, and the rules of form that a client can judge by itself. They are judged before an
// event is kept: a gateway ends the connection of whoever sends what it cannot understand.

import { CarillonError } from './errors.js';

const KEY_BYTES_MAX = 256;
const DEVICE_BYTES_MAX = 64;
const TRACEPARENT_LENGTH = 55; // Later versions may append something that nobody here understands.
const DEPTH_MAX = 59; // The payload stands five deep in a message, which may be 64 deep.

const encoder = new TextEncoder();
export const bytesOf = (text) => encoder.encode(text).length;

const malformed = (message) => new CarillonError('malformed', message);
// A surrogate without its other half has no UTF-8.
const isUnicode = (text) => !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
// eslint-disable-next-line no-control-regex
const hasControls = (text) => /[\u0000-\u001f\u007f]/.test(text);

function checkText(what, text, bytesMax) {
  if (typeof text !== 'string' || text === '') throw malformed(`${what} must be a text that is not empty`);
  if (!isUnicode(text) || hasControls(text)) throw malformed(`${what} must be Unicode without control characters`);
  if (bytesOf(text) > bytesMax) throw malformed(`${what} has more than ${bytesMax} bytes`);
}

// `KIND/KEY`.
export function checkEntity(entity) {
  if (typeof entity !== 'string' || !/^[a-z][a-z0-9_-]{0,31}\/./su.test(entity)) {
    throw malformed(`an entity is KIND/KEY, as in player/ana, the kind of at most 32 of a-z, 0-9, _ and -, not ${JSON.stringify(entity)}`);
  }
  checkText("an entity's key", entity.slice(entity.indexOf('/') + 1), KEY_BYTES_MAX);
}

export function checkDevice(device) {
  checkText("a device's name", device, DEVICE_BYTES_MAX);
}

export function checkOffset(offset, least) {
  if (!Number.isSafeInteger(offset) || offset < least) throw malformed(`an offset is an integer from ${least} on`);
}

function depthOf(value) {
  if (typeof value !== 'object' || value === null) return 0;
  let deepest = 0;
  for (const member of Object.values(value)) deepest = Math.max(deepest, depthOf(member));
  return deepest + 1;
}

// Whether it is the header field of W3C Trace Context. One that is not is ignored, as everywhere.
function isTraceparent(text) {
  const form = /^([0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/s;
  const [match, version, more] = (typeof text === 'string' && form.exec(text)) || [];
  return match !== undefined && version !== 'ff' && (version !== '00' || more === undefined);
}

// Everything of an event but its sequence, as JSON without the opening brace; see withSequence(). Throws a CarillonError.
export function encodeEvent(entity, type, payload, { traceparent } = {}) {
  checkEntity(entity);
  checkText('a type', type, KEY_BYTES_MAX);
  let json;
  try {
    json = JSON.stringify(payload);
  } catch (cause) {
    throw new CarillonError('malformed', `the payload cannot be written as JSON: ${cause.message}`, { cause });
  }
  if (json === undefined || json[0] !== '{') throw malformed('a payload is an object');
  // JSON.stringify writes a lone surrogate, and nothing else, as \ud…
  if (/(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(json)) throw malformed('the payload holds a text that is no Unicode');
  if (depthOf(JSON.parse(json)) > DEPTH_MAX) throw malformed(`the payload is nested more than ${DEPTH_MAX} deep`);
  const trace = isTraceparent(traceparent) ? `,"traceparent":"${traceparent.slice(0, TRACEPARENT_LENGTH)}"` : '';
  return `"entity":${JSON.stringify(entity)},"type":${JSON.stringify(type)},"payload":${json}${trace}}`;
}

export const withSequence = (sequence, rest) => `{"sequence":${sequence},${rest}`;
