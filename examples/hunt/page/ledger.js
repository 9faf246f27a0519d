// What one player dug and what came of it: the proof that nothing is lost, doubled or out of order. Pure.
//
// A dig is asked for, then accepted (on disk), then answered by exactly one notification in the player's stream. Numbers of digs
// grow, and one player's digs are answered in the order in which they were asked for (P3). An answer may be seen before the word
// that the dig was accepted: that only says that it was. The last digs are remembered one by one; the repeated answer to an older
// one would count as foreign.
const REMEMBERED = 1000;

export class Ledger {
  asked = 0;
  accepted = 0;
  answered = 0;
  refused = 0;
  doubled = 0;
  disordered = 0;
  gaps = 0;
  foreign = 0;  // Answers to digs of other pages of the same player.

  #digs = new Map();  // Number → 'asked' | 'accepted' | 'answered'; in the order of asking.
  #last = 0;          // The number answered last.
  #offset = null;     // Of the stream's last event.

  asks(dig) {
    this.asked += 1;
    this.#digs.set(dig, 'asked');
  }

  accepts(dig) {
    this.accepted += 1;
    if (this.#digs.get(dig) === 'asked') this.#digs.set(dig, 'accepted');
  }

  refuses(dig) {
    this.refused += 1;
    this.#digs.delete(dig);
  }

  // Every event of the stream, whatever it says: offsets are contiguous (P4).
  sees(offset) {
    if (this.#offset !== null && offset !== this.#offset + 1) this.gaps += 1;
    this.#offset = Math.max(offset, this.#offset ?? 0);
  }

  answers(dig) {
    const state = this.#digs.get(dig);
    if (state === undefined) {
      this.foreign += 1;
      return;
    }
    if (state === 'answered') {
      this.doubled += 1;
      return;
    }
    if (dig < this.#last) this.disordered += 1;
    this.#last = Math.max(this.#last, dig);
    this.#digs.set(dig, 'answered');
    this.answered += 1;
    this.#forgetOld();
  }

  // Those at the front of which nothing is waited for any more.
  #forgetOld() {
    for (const [dig, state] of this.#digs) {
      if (this.#digs.size <= REMEMBERED || state !== 'answered') return;
      this.#digs.delete(dig);
    }
  }

  // Digs without an answer although one behind them has been answered.
  get lost() {
    let lost = 0;
    for (const [dig, state] of this.#digs) if (dig < this.#last && state !== 'answered') lost += 1;
    return lost;
  }

  // On their way: asked for and not yet answered.
  get waiting() {
    return this.asked - this.refused - this.answered;
  }

  get isClean() {
    return this.lost === 0 && this.doubled === 0 && this.disordered === 0 && this.gaps === 0;
  }
}

// Of all players together.
export function sumOf(ledgers) {
  const names = ['asked', 'accepted', 'answered', 'refused', 'waiting', 'lost', 'doubled', 'disordered', 'gaps'];
  return Object.fromEntries(names.map((name) => [name, ledgers.reduce((sum, ledger) => sum + ledger[name], 0)]));
}
