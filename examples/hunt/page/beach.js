// Draws the island: squares to dig on, what was found, and who digs where. Every square is a button; arrow keys walk.
import { element, svg } from './dom.js';

const WORDS = { '': 'sand', hole: 'a hole', doubloon: 'a doubloon', pearl: 'a pearl', gem: 'a gem', crown: 'a crown' };

export class Beach {
  #place;
  #dig;
  #buttons = [];
  #spot = [0, 0];  // Where the keyboard is.
  #figures = new Map();
  #shown = '';

  // `dig(x, y)` when a square was chosen.
  constructor(place, dig) {
    this.#place = place;
    this.#dig = dig;
    this.#place.addEventListener('keydown', (event) => this.#walk(event));
  }

  draw(island) {
    if (this.#buttons.length !== island.height || this.#buttons[0]?.length !== island.width) this.#build(island);
    const now = JSON.stringify(island.ground);
    if (now === this.#shown) return;
    this.#shown = now;
    island.ground.forEach((row, y) =>
      row.forEach((square, x) => {
        const button = this.#buttons[y][x];
        if (button.dataset.square === square && button.hasAttribute('aria-label')) return;
        button.dataset.square = square;
        button.setAttribute('aria-label', `column ${x + 1}, row ${y + 1}: ${WORDS[square] ?? 'a hole'}`);
        button.replaceChildren(...(square === '' ? [] : [picture(square)]));
      }),
    );
  }

  // A figure walks to where its player dug last.
  place({ name, colour, square, mine }) {
    let figure = this.#figures.get(name);
    if (!figure) {
      figure = element('span', { class: `figure${mine ? ' mine' : ''}`, 'aria-hidden': 'true' }, [...name][0] ?? '?');
      figure.style.setProperty('--colour', colour);
      this.#figures.set(name, figure);
      this.#place.append(figure);
    }
    figure.style.left = `${((square[0] + 0.5) / this.#buttons[0].length) * 100}%`;
    figure.style.top = `${((square[1] + 0.5) / this.#buttons.length) * 100}%`;
  }

  remove(name) {
    this.#figures.get(name)?.remove();
    this.#figures.delete(name);
  }

  #build(island) {
    this.#buttons = island.ground.map((row, y) =>
      row.map((_, x) => element('button', { type: 'button', class: 'square', role: 'gridcell', tabindex: x === 0 && y === 0 ? 0 : -1, onclick: () => this.#choose(x, y) })),
    );
    this.#place.style.setProperty('--columns', island.width);
    this.#place.replaceChildren(...this.#buttons.map((row) => element('div', { role: 'row', class: 'row' }, ...row)), ...this.#figures.values());
    this.#shown = '';
  }

  #choose(x, y) {
    this.#step(x, y, false);
    this.#dig(x, y);
  }

  #step(x, y, focus = true) {
    const [oldX, oldY] = this.#spot;
    this.#buttons[oldY][oldX].tabIndex = -1;
    this.#spot = [x, y];
    const button = this.#buttons[y][x];
    button.tabIndex = 0;
    if (focus) button.focus();
  }

  #walk(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || this.#buttons.length === 0) return;
    event.preventDefault();
    const within = (value, most) => Math.min(Math.max(value, 0), most - 1);
    this.#step(within(this.#spot[0] + step[0], this.#buttons[0].length), within(this.#spot[1] + step[1], this.#buttons.length));
  }
}

// What lies in a square, drawn on 24 by 24.
export function picture(square) {
  const hole = svg('ellipse', { cx: 12, cy: 14, rx: 8.5, ry: 5.5, class: 'pit' });
  const parts = {
    hole: [],
    doubloon: [svg('circle', { cx: 12, cy: 11, r: 6.5, class: 'gold' }), svg('circle', { cx: 12, cy: 11, r: 4.2, class: 'gold rim' })],
    pearl: [svg('circle', { cx: 12, cy: 11, r: 6, class: 'pearl' }), svg('circle', { cx: 10, cy: 9, r: 1.8, class: 'shine' })],
    gem: [svg('path', { d: 'M7 5h10l4 5-9 10-9-10z', class: 'gem' }), svg('path', { d: 'M3 10h18M9 10l3 10 3-10-3-5z', class: 'facet' })],
    crown: [svg('path', { d: 'M3 18V7l5 4 4-7 4 7 5-4v11z', class: 'gold' }), svg('path', { d: 'M4 15.500h16', class: 'facet' })],
  };
  return svg('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: `thing ${square}` }, ...(square === 'hole' ? [hole] : []), ...(parts[square] ?? []));
}
