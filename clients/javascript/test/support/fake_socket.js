// A WebSocket without a network: the test plays the gateway.

export function fakeSockets() {
  const sockets = [];
  class FakeSocket {
    sent = [];
    closedWith = null;

    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close(code) {
      this.closedWith = code;
    }

    // What the gateway does.
    says(message) {
      this.onmessage?.({ data: JSON.stringify(message) });
    }
    welcomes(more = {}) {
      this.says({ welcome: { version: 'test', ping_every_ms: 15_000, idle_timeout_ms: 45_000, ...more } });
    }
    ends(code = 1006, reason = '') {
      this.onclose?.({ code, reason });
    }
    // What the network does.
    fails(message) {
      this.onerror?.({ message });
    }
    // The bodies of what was sent under a name.
    requests(name) {
      return this.sent.filter((message) => name in message).map((message) => message[name]);
    }
  }
  return { sockets, FakeSocket, last: () => sockets.at(-1) };
}
