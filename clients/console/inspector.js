// One entity from inside: where its mailbox stands, its state, its dead letters.
import * as api from './api.js';
import { letterRows } from './deadletters.js';
import { element, grouped } from './dom.js';

// A hub that is just trying a failed event again, or moving to another node, cannot be looked at for a moment.
const ATTEMPTS = 10;

export class Inspector {
  #place;
  #question; // The last one.
  #input;
  #settled;

  // `settled` is told when a dead letter was redriven or discarded here.
  constructor({ form, input, place, settled }) {
    this.#place = place;
    this.#input = input;
    this.#settled = settled;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.inspect(input.value.trim());
    });
  }

  async inspect(entity, said = '') {
    this.#input.value = entity;
    const question = (this.#question = Symbol(entity));
    for (let attempt = 1; ; ++attempt) {
      let parts;
      let again = null; // In so many milliseconds.
      try {
        const found = await api.entity(entity);
        const { letters } = found.dead_letters > 0 ? await api.deadLetters(entity) : { letters: [] };
        parts = this.#partsOf(found, letters, said);
      } catch (error) {
        parts = [element('p', { class: 'error' }, error.message)];
        if (error.error === 'unavailable' && attempt < ATTEMPTS) again = error.details.retry_after_ms ?? 1000;
      }
      if (this.#question !== question) return; // Another one was asked meanwhile.
      this.#place.replaceChildren(...parts);
      if (again === null) return;
      await api.pause(again);
      if (this.#question !== question) return;
    }
  }

  #partsOf(found, letters, said) {
    const isHub = found.behaviour_version > 0;
    const kept = found.last_offset === 0 ? 'empty' : found.first_offset > found.last_offset ? `${grouped(found.last_offset)} events, none kept` : `offsets ${grouped(found.first_offset)} to ${grouped(found.last_offset)}`;
    const backlog = Math.max(found.last_offset - found.cursor, 0);
    const facts = [
      ['kind', isHub ? `hub, behaviour version ${found.behaviour_version}` : 'stream'],
      ['mailbox', kept],
      isHub ? ['cursor', grouped(found.cursor)] : null,
      isHub ? ['backlog', backlog === 0 ? 'none' : `${grouped(backlog)} events`] : null,
      ['dead letters', found.dead_letters === 0 ? 'none' : grouped(found.dead_letters)],
    ].filter(Boolean);
    const parts = [
      said ? element('p', { class: 'hint' }, said) : null,
      element('h3', {}, found.entity),
      element('dl', { class: 'facts' }, ...facts.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
    ];
    if (found.state !== null && found.state !== undefined) {
      parts.push(element('h3', {}, 'State'));
      parts.push(element('pre', { class: 'state', tabindex: 0, role: 'region', 'aria-label': `State of ${found.entity}` }, JSON.stringify(found.state, null, 2)));
    }
    if (letters.length > 0) {
      const settled = (sentence) => {
        this.#settled();
        return this.inspect(found.entity, sentence);
      };
      parts.push(element('h3', {}, 'Dead letters'));
      parts.push(
        element(
          'div',
          { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': `Dead letters of ${found.entity}` },
          element(
            'table',
            {},
            element('thead', {}, element('tr', {}, element('th', { scope: 'col', class: 'number' }, 'Offset'), element('th', { scope: 'col' }, 'Event'), element('th', { scope: 'col' }, 'Reason'), element('th', { scope: 'col' }, 'Settle'))),
            element('tbody', {}, ...letterRows(letters, { withEntity: false, settled })),
          ),
        ),
      );
    }
    return parts.filter(Boolean);
  }
}
