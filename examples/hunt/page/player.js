// A player of this page: publishes digs, follows the player's stream, keeps the ledger; digs by itself when it is a bot.
import { Ledger } from './ledger.js';

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Digs are numbered for ever by the page that asks for them, so that two pages of one player tell theirs apart.
let lastDig = Math.floor(Math.random() * 2 ** 31) * 2 ** 20;

export class Player {
  ledger = new Ledger();
  score = 0;
  at = null;  // Where it dug last.
  bot = false;

  #client;
  #island;
  #heard;
  #changed;
  #abort = new AbortController();
  #dances = 0;

  // `heard(player, event)` is told of each notification, `changed(player)` of all else.
  constructor({ client, island, name, heard, changed }) {
    this.#client = client;
    this.#island = island;
    this.name = name;
    this.#heard = heard;
    this.#changed = changed;
  }

  get stream() {
    return `player/${this.name}`;
  }

  // From the end of what is there: then nothing of this page is missed.
  async join() {
    const { last } = await this.#client.positions(this.stream);
    this.#listen(last + 1);
    await this.#client.publish(this.#island, 'landed', { player: this.name });
  }

  async #listen(from) {
    const { signal } = this.#abort;
    try {
      for await (const event of this.#client.follow(this.stream, { from, signal, truncated: 'skip' })) {
        this.ledger.sees(event.offset);
        if (event.type === 'treasure_found' || event.type === 'hole_dug') this.ledger.answers(event.payload.dig);
        if (event.type === 'treasure_found' || event.type === 'ashore') this.score = event.payload.score;
        this.#heard(this, event);
      }
    } catch (error) {
      if (!signal.aborted) this.#heard(this, { type: 'failed', payload: { message: error.message } });
    }
  }

  async dig(x, y) {
    const dig = (lastDig += 1);
    this.at = [x, y];
    this.ledger.asks(dig);
    this.#changed(this);
    try {
      await this.#client.publish(this.#island, 'dug', { player: this.name, x, y, dig });
      this.ledger.accepts(dig);
    } catch {
      this.ledger.refuses(dig);
    }
    this.#changed(this);
  }

  // `choose` gives the next square, or null when there is none.
  async dance(choose) {
    this.bot = true;
    const dance = (this.#dances += 1);
    const goesOn = () => this.bot && dance === this.#dances; // Not after it was stopped and begun anew.
    while (goesOn() && !this.#abort.signal.aborted) {
      await pause(350 + Math.random() * 900);
      const square = goesOn() ? choose(this) : null;
      // While nobody answers, a bot digs on for a while, and then waits.
      if (square && this.ledger.waiting < 12) this.dig(...square);
    }
  }

  leave() {
    this.bot = false;
    this.#abort.abort();
  }
}
