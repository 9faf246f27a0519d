// Makes elements. What comes from the node enters the page as text only, so that no name can become markup. The hunt has it as well.

// element('td', {class: 'number'}, 'text', anotherElement): attributes by name, `on…` as listeners, children as they come.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, '');
    else made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);

// Only when it changes, so that a selection stays and screen readers are not told of nothing.
export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
export const grouped = (number) => whole.format(number);

// 0.42, 3.1, 27, 1,400: as many digits as say something.
export function rounded(number) {
  if (!Number.isFinite(number)) return '–';
  if (number === 0) return '0';
  if (Math.abs(number) < 1) return number.toFixed(2);
  if (Math.abs(number) < 10) return number.toFixed(1);
  return grouped(number);
}

export function milliseconds(ms) {
  if (!Number.isFinite(ms)) return '–';
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${rounded(ms)} ms`;
}

// 3 d 4 h, 5 min 12 s
export function span(ms) {
  const s = Math.floor(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// The clock of a time as the node writes it (RFC 3339).
export function clock(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text) : `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
