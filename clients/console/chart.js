// A small moving chart: a few lines over the last two minutes, drawn with SVG. Its numbers stand beside it as text, so it is
// an image with a description to whoever cannot see it.
import { svg } from './dom.js';

const WIDTH = 600;
const HEIGHT = 150;
const TOP = 12;
const SAMPLES = 120;

export class Chart {
  // `lines`: [{name, class}]; `format` writes a value; `logarithmic` for what spreads over magnitudes.
  constructor(place, { label, lines, format, logarithmic = false, floor = 1 }) {
    this.label = label;
    this.lines = lines.map((line) => ({ ...line, values: [] }));
    this.format = format;
    this.logarithmic = logarithmic;
    this.floor = floor;
    this.title = svg('title');
    this.grid = svg('g', { class: 'grid' });
    this.picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' });
    this.picture.append(this.title, this.grid);
    for (const line of this.lines) {
      if (line.filled) this.picture.append((line.area = svg('path', { class: `area ${line.class}` })));
      this.picture.append((line.path = svg('path', { class: `line ${line.class}` })));
    }
    this.scale = document.createElement('div');
    this.scale.className = 'scale';
    this.scale.setAttribute('aria-hidden', 'true');
    place.replaceChildren(this.picture, this.scale);
    this.draw();
  }

  // One value a line, in their order; NaN leaves a gap.
  add(values) {
    this.lines.forEach((line, i) => {
      line.values.push(values[i]);
      if (line.values.length > SAMPLES) line.values.shift();
    });
    this.draw();
  }

  draw() {
    const known = this.lines.flatMap((line) => line.values.filter(Number.isFinite));
    const [low, high] = this.logarithmic ? decades(known, this.floor) : [0, nice(Math.max(this.floor, ...known))];
    const y = (value) => {
      const share = this.logarithmic ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : value / high;
      return HEIGHT - 2 - Math.min(share, 1) * (HEIGHT - TOP - 2);
    };
    for (const line of this.lines) {
      const path = pathOf(line.values, y);
      line.path.setAttribute('d', path);
      if (line.area) line.area.setAttribute('d', areaOf(line.values, y));
    }
    const marks = this.logarithmic ? marksOf(low, high) : [high, high / 2];
    this.grid.replaceChildren(...marks.map((mark) => svg('line', { x1: 0, x2: WIDTH, y1: y(mark), y2: y(mark) })));
    this.scale.replaceChildren(
      ...marks.map((mark) => {
        const label = document.createElement('span');
        label.textContent = this.format(mark);
        label.style.top = `${(y(mark) / HEIGHT) * 100}%`;
        return label;
      }),
    );
    const now = this.lines.map((line) => `${line.name} ${this.format(line.values.at(-1) ?? NaN)}`).join(', ');
    this.title.textContent = `${this.label}, the last two minutes. Now: ${now}. Highest: ${this.format(Math.max(...known, 0))}.`;
  }
}

const x = (i, count) => WIDTH - (count - 1 - i) * (WIDTH / (SAMPLES - 1));

function pathOf(values, y) {
  let path = '';
  let pen = 'M';
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) {
      pen = 'M';
      return;
    }
    // A lone sample between gaps is a short dash.
    const at = x(i, values.length);
    path += `${pen}${at.toFixed(1)} ${y(value).toFixed(1)}`;
    if (pen === 'M' && !Number.isFinite(values[i + 1])) path += 'h-4';
    pen = 'L';
  });
  return path;
}

function areaOf(values, y) {
  const first = values.findIndex(Number.isFinite);
  if (first < 0) return '';
  const solid = values.map((value) => (Number.isFinite(value) ? value : 0));
  return `M${x(first, values.length)} ${HEIGHT}${pathOf(solid, y).replace('M', 'L')}L${WIDTH} ${HEIGHT}Z`;
}

// The next of 1, 2, 5, 10, 20, …
function nice(value) {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * magnitude).find((step) => step >= value * 0.999);
}

function decades(values, floor) {
  const least = Math.min(floor, ...values.filter((value) => value > 0));
  const most = Math.max(floor * 10, ...values);
  return [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most) - 1e-9)];
}

function marksOf(low, high) {
  const marks = [];
  for (let mark = high; mark > low * 1.01; mark /= 10) marks.push(mark);
  return marks;
}
