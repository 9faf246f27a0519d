// What can go wrong, as one typed error: `code` is a name from the protocol's closed list (docs/protocol.md, Errors), or one
// of the two that only this library uses: `closed` (the client was closed) and `timeout` (no gateway could be reached in time).

const RETRIED = new Set(['overloaded', 'unavailable', 'unauthenticated', 'timeout']);

export class CarillonError extends Error {
  constructor(code, message, { retryAfterMs, firstOffset, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CarillonError';
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.firstOffset = firstOffset;
  }

  // Passes by itself: the same request may be answered well later.
  get passes() {
    return RETRIED.has(this.code);
  }

  // From the members that the protocol gives an error.
  static of(answer) {
    return new CarillonError(answer?.error ?? 'unavailable', answer?.message ?? 'refused without a reason', {
      retryAfterMs: answer?.retry_after_ms,
      firstOffset: answer?.first_offset,
    });
  }
}
