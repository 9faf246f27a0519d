// Random numbers from a seed, $CARILLON_SEED, so that a test that failed can be repeated as far as the machine allows.

export const seed = Number(process.env.CARILLON_SEED ?? 20_261_125);

export function diceFrom(seed) {
  let state = seed >>> 0;
  return (sides) => {
    state = (state + 0x9e3779b9) >>> 0;
    let value = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
    return ((value ^ (value >>> 15)) >>> 0) % sides;
  };
}
