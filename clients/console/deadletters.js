// Events that their hub could not handle, with their reasons; to redrive or discard them.
import * as api from './api.js';
import { confirmed } from './confirm.js';
import { clock, element, setText } from './dom.js';
import { traceOf } from './trace.js';

// The rows of a table of dead letters. `settled` is called after each that was redriven or discarded, with a sentence.
export function letterRows(letters, { withEntity, inspect, settled }) {
  return letters.map((letter) => {
    const what = `the event at offset ${letter.offset} of ${letter.entity}`;
    const settle = async (verb, call, done) => {
      try {
        await call(letter.entity, letter.offset);
        settled(done);
      } catch (error) {
        settled(`Could not ${verb} ${what}: ${error.message}`);
      }
    };
    const redrive = () => settle('redrive', api.redrive, `Redriven: ${what} is a new event at the end of its mailbox.`);
    const discard = async () => {
      const wanted = await confirmed({ title: 'Discard this event?', text: `It stays in the mailbox of ${letter.entity} at offset ${letter.offset}, skipped for ever, and is forgotten as a dead letter.`, yes: 'Discard' });
      if (wanted) await settle('discard', api.discard, `Discarded: ${what} is skipped for ever.`);
    };
    return element(
      'tr',
      {},
      withEntity ? element('th', { scope: 'row' }, element('button', { type: 'button', class: 'small', onclick: () => inspect(letter.entity) }, letter.entity)) : null,
      element('td', { class: 'number' }, String(letter.offset)),
      element('td', { class: 'payload' }, element('span', { class: 'type' }, letter.type), ' ', JSON.stringify(letter.payload), element('br'), element('span', { class: 'quiet' }, `${clock(letter.accepted_at)} · ${letter.producer}`), traceOf(letter)),
      element('td', {}, letter.reason, ' ', element('span', { class: 'quiet nowrap' }, `(${letter.attempts} ${letter.attempts === 1 ? 'attempt' : 'attempts'})`)),
      element(
        'td',
        {},
        element('button', { type: 'button', class: 'small', 'aria-label': `Redrive ${what}`, onclick: redrive }, 'Redrive'),
        element('button', { type: 'button', class: 'small danger', 'aria-label': `Discard ${what}`, onclick: discard }, 'Discard'),
      ),
    );
  });
}

// The node's own list.
export class DeadLettersView {
  #status;
  #table;
  #rows;
  #inspect;
  #shown = '';

  constructor({ status, table, rows, inspect }) {
    this.#status = status;
    this.#table = table;
    this.#rows = rows;
    this.#inspect = inspect;
  }

  async refresh(said = '') {
    let answer;
    try {
      answer = await api.deadLetters('', { signal: AbortSignal.timeout(5000) });
    } catch (error) {
      setText(this.#status, error.error === 'forbidden' ? 'This token may not see them.' : error.message);
      this.#table.hidden = true;
      this.#shown = '';
      return;
    }
    const { letters, more, absent } = answer;
    const none = absent.length === 0 ? 'No dead letters: every event was handled.' : 'No dead letters elsewhere.';
    const count = letters.length === 0 ? none : `${letters.length}${more ? ' and more' : ''}. Redrive after the behaviour was mended, or discard.`;
    const missing = absent.length === 0 ? '' : `Without those of ${absent.length === 1 ? 'partition' : 'partitions'} ${absent.join(', ')}, which cannot be asked now.`;
    setText(this.#status, [said, missing, count].filter(Boolean).join(' '));
    const now = JSON.stringify(letters);
    if (now === this.#shown) return;
    this.#shown = now;
    this.#table.hidden = letters.length === 0;
    const hadFocus = this.#rows.contains(document.activeElement);
    this.#rows.replaceChildren(...letterRows(letters, { withEntity: true, inspect: this.#inspect, settled: (sentence) => this.refresh(sentence) }));
    if (hadFocus) (this.#rows.querySelector('button') ?? this.#status.closest('section').querySelector('.scroller')).focus();
  }
}
