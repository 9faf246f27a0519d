// For whom a token was issued. Not verified: that is the gateway's part. Here it only says whose queue of events is meant.
// Undefined when that cannot be read.

export function subjectOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' && sub !== '' ? sub : undefined;
  } catch {
    return undefined;
  }
}

// Whether it can travel as a subprotocol, as every JWT can: a WebSocket throws for one that cannot.
export const isSendable = (token) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(token);
