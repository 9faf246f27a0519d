// The island as this page knows it: the hub's map when somebody landed, then every dig from there on, from the hub's own mailbox.
// Pure. What was found comes over the players' streams, sooner or later than the dig itself; so finds are kept by tide.
export const SAND = '.';
export const HOLE = 'o';

export class Island {
  tide = 0;
  ground = [];  // Rows of squares, from north to south: '' sand, 'hole', or what was found there.

  #finds = new Map();  // Tide → [[x, y, treasure]] that the digs have not reached yet.

  get height() {
    return this.ground.length;
  }
  get width() {
    return this.ground[0]?.length ?? 0;
  }

  // As the hub told who landed.
  land({ tide, ground }) {
    this.tide = tide;
    const names = { c: 'crown', g: 'gem', p: 'pearl', d: 'doubloon', [HOLE]: 'hole', [SAND]: '' };
    this.ground = ground.map((row) => [...row].map((square) => names[square] ?? 'hole'));
  }

  isIn(x, y) {
    return Number.isInteger(x) && Number.isInteger(y) && x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  // Events of the hub's mailbox.
  dig({ x, y }) {
    if (!this.isIn(x, y)) return;
    if (this.ground[y][x] === '') this.ground[y][x] = 'hole';
    this.#lay();
  }
  tideDue({ tide }) {
    if (tide !== this.tide || this.squaresLeft().length > 0) return; // Anybody may publish one.
    this.#finds.delete(this.tide);
    this.tide += 1;
    this.ground = this.ground.map((row) => row.map(() => ''));
    this.#lay();
  }

  find({ tide, x, y, treasure }) {
    if (tide < this.tide || (this.ground.length > 0 && !this.isIn(x, y))) return;
    if (!this.#finds.has(tide)) this.#finds.set(tide, []);
    this.#finds.get(tide).push([x, y, treasure]);
    this.#lay();
  }

  squaresLeft() {
    const left = [];
    this.ground.forEach((row, y) => row.forEach((square, x) => square === '' && left.push([x, y])));
    return left;
  }

  #lay() {
    if (this.ground.length === 0) return;
    for (const [x, y, treasure] of this.#finds.get(this.tide) ?? []) this.ground[y][x] = treasure;
  }
}
