// JSON whose numbers are shown with the digits that they have: a state may hold 64-bit integers, which JavaScript's numbers round.
// Needs JSON.rawJSON (Chromium 114, Firefox 135, Safari 18.4); elsewhere they are rounded.

const exact = (key, value, context) =>
  Number.isInteger(value) && !Number.isSafeInteger(value) && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value;

export const parseExactly = (text) => JSON.parse(text, exact);
