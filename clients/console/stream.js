// A stream, followed live over server-sent events; after a lost connection it goes on behind the last offset it showed.
import * as api from './api.js';
import { clock, element, grouped, setText } from './dom.js';
import { parseExactly } from './exact_json.js';
import { readEvents } from './sse.js';
import { traceOf } from './trace.js';

const ROWS = 200;
const RECENT = 20;
const DRAW_EVERY_MS = 100;

export class StreamView {
  #parts;
  #abort = null;
  #waiting = [];  // Events not yet drawn, the newest last.
  #drawing = 0;
  #count = 0;

  // `parts`: {form, entity, from, start, stop, status, rows}.
  constructor(parts) {
    this.#parts = parts;
    parts.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.follow(parts.entity.value.trim());
    });
    parts.stop.addEventListener('click', () => {
      this.stop('Stopped.');
      parts.entity.focus();
    });
  }

  stop(sentence) {
    this.#abort?.abort();
    this.#abort = null;
    this.#parts.stop.hidden = true;
    setText(this.#parts.status, `${sentence} ${grouped(this.#count)} events were seen.`);
  }

  async follow(entity) {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#parts.entity.value = entity;
    this.#parts.rows.replaceChildren();
    this.#waiting = [];
    this.#count = 0;
    this.#parts.stop.hidden = false;
    setText(this.#parts.status, `Asking for ${entity} …`);
    let next = 0;  // Not known yet.
    for (let attempt = 0; !abort.signal.aborted; attempt += 1) {
      try {
        if (next === 0) next = await this.#firstOffset(entity);
        const response = await api.ask(`/streams/${api.entityPath(entity)}?from=${next}`, { signal: abort.signal });
        setText(this.#parts.status, `Following ${entity}, from offset ${grouped(next)} on.`);
        attempt = 0;
        await readEvents(response, ({ data }) => {
          const event = parseExactly(data);
          next = event.offset + 1;
          this.#take(event);
        });
      } catch (error) {
        if (abort.signal.aborted) return;
        if (error.error === 'truncated' && error.details.first_offset) {
          next = error.details.first_offset;
          continue;
        }
        if (error.status >= 400 && error.status < 500 && error.status !== 429) return this.stop(error.message);
      }
      if (abort.signal.aborted) return;
      setText(this.#parts.status, `The connection is lost; trying again behind offset ${grouped(Math.max(next - 1, 0))} …`);
      await api.pause(Math.min(5000, 100 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random()));
    }
  }

  async #firstOffset(entity) {
    const found = await api.entity(entity);
    if (this.#parts.from.value === 'first') return Math.max(found.first_offset, 1);
    return Math.max(found.last_offset - RECENT + 1, found.first_offset, 1);
  }

  #take(event) {
    this.#count += 1;
    this.#waiting.push(event);
    if (this.#waiting.length > ROWS) this.#waiting.shift();
    this.#drawing ||= setTimeout(() => this.#draw(), DRAW_EVERY_MS);
  }

  // Many events a second are drawn a few times a second.
  #draw() {
    this.#drawing = 0;
    const { rows } = this.#parts;
    rows.prepend(...this.#waiting.reverse().map(rowOf));
    this.#waiting = [];
    while (rows.childElementCount > ROWS) rows.lastElementChild.remove();
  }
}

function rowOf(event) {
  return element(
    'tr',
    {},
    element('th', { scope: 'row', class: 'number' }, grouped(event.offset)),
    element('td', { class: 'nowrap' }, clock(event.accepted_at)),
    element('td', { class: 'type' }, event.type),
    element('td', { class: 'payload' }, JSON.stringify(event.payload)),
    element('td', { class: 'producer' }, `${event.producer} ${JSON.stringify(event.sequence)}`, traceOf(event)),
  );
}
