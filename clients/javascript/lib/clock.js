// Time and timers, so that tests can bring their own and need not sleep.

export const systemClock = {
  now: () => performance.now(), // Milliseconds that never go back.
  setTimeout: (action, ms) => globalThis.setTimeout(action, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};
