// Decides which ledger this client adds to, and which ledgers of clients that are gone it must finish.
//
// One user may have several tabs, each with a ledger of its own. A tab that is reloaded goes on with the one that it had: the
// ledger's name is remembered for the tab (`session`, as `sessionStorage`). What another tab left behind when it went is taken
// over by whoever finds it first, but not while that tab may just be being reloaded: what it publishes next would overtake what
// the other one has to send for it.

import { Ledger, MemoryStorage } from './ledger.js';

// A page that is reloaded may come before the browser has given up the locks of the page that it replaces.
const HANDOVER_MS = 2_000;
// Between a page that goes and the script of the one that replaces it nobody has its locks; it may have to be loaded first.
const RELOAD_MS = 8_000;

export class Claims {
  #storage;
  #session;
  #locks;
  #now;
  #releases = new Map(); // By suffix, of what we hold.
  #freeSince = new Map(); // By suffix, of what nobody held when we last looked.
  #own = null; // The ledger that this client adds to.

  // pages: whether clients are pages, which may be reloaded; now(): milliseconds that never go back; wallNow(): since 1970.
  constructor({ storage, session, locks, pages, queue, user, newSuffix, now, wallNow = Date.now }) {
    this.#storage = storage;
    this.#session = session;
    this.#locks = locks;
    this.pages = pages;
    this.queue = queue;
    this.user = user;
    this.newSuffix = newSuffix;
    this.#now = now;
    this.wallNow = wallNow;
  }

  get #sessionKey() {
    return `${encodeURIComponent(this.queue)}:${encodeURIComponent(this.user)}`;
  }

  // This client's own ledger: the one of this tab before it was reloaded, else the latest in which another one left something for
  // good, else a new one.
  async own() {
    const known = this.#known();
    const before = this.#session.getItem(this.#sessionKey);
    let ledger = before !== null && known.includes(before) ? await this.#take(before, HANDOVER_MS) : null;
    for (const suffix of known) ledger ??= suffix === before ? null : await this.#inherit(suffix);
    while (ledger === null) {
      const suffix = this.newSuffix();
      if (await this.#hold(suffix)) ledger = this.#open(suffix);
    }
    return ledger;
  }

  // What this client adds to its own ledger. Where the storage is full, it is in memory: it comes behind what is in the ledger all the
  // same, and is lost with the page.
  begin(ledger) {
    this.#own = ledger;
    const kept = this.#remember(ledger) ? ledger : this.#open(ledger.suffix, new MemoryStorage());
    return kept.begin(this.newSuffix());
  }

  // Ledgers whose clients are gone, now ours to finish. Those with nothing in them are cleared away. One with events is taken at
  // the second look, so long after the first one that its tab is not just being reloaded. Never rejects: where there are no locks, or
  // the storage cannot be read, what was found so far is ours, and there will be another look.
  async orphans() {
    const orphans = [];
    const seenFree = this.#freeSince;
    this.#freeSince = new Map();
    let suffix;
    try {
      for (suffix of this.#known()) {
        const ledger = this.#releases.has(suffix) ? null : await this.#take(suffix);
        if (ledger === null) continue;
        const freeSince = seenFree.get(suffix) ?? this.#now();
        if (ledger.isEmpty) {
          this.finish(ledger);
        } else if (this.#now() - freeSince >= RELOAD_MS) {
          orphans.push(ledger);
        } else {
          this.#freeSince.set(suffix, freeSince);
          this.#letGo(suffix);
        }
      }
    } catch {
      this.#letGo(suffix);
    }
    return orphans;
  }

  // An orphan has nothing left to do. One that the storage does not let go of stays ours, so that nobody sends it again and again.
  finish(ledger) {
    if (ledger.remove()) this.#letGo(ledger.suffix);
  }

  // An orphan cannot be read. There will be another look.
  giveBack(ledger) {
    this.#letGo(ledger.suffix);
  }

  // The page goes, perhaps to be reloaded: that is to be seen by whoever comes meanwhile.
  leave() {
    if (this.#own !== null) this.#remember(this.#own);
  }

  // Everything stays in the storage for whoever comes next.
  release() {
    this.leave();
    for (const release of this.#releases.values()) release();
    this.#releases.clear();
  }

  #known() {
    return Ledger.suffixes(this.#storage, this);
  }

  #open(suffix, storage = this.#storage) {
    return new Ledger(storage, { queue: this.queue, user: this.user, suffix }, this.wallNow);
  }

  // False when there is no room.
  #remember(ledger) {
    try {
      ledger.touch();
      this.#session.setItem(this.#sessionKey, ledger.suffix);
      return true;
    } catch {
      return false;
    }
  }

  // The ledger if it can be had. Its last holder may have cleared it away meanwhile.
  async #take(suffix, waitMs = 0) {
    if (!(await this.#hold(suffix, waitMs))) return null;
    if (this.#known().includes(suffix)) return this.#open(suffix);
    this.#letGo(suffix);
    return null;
  }

  // What another client left, if there is something, unless that client may come back for it.
  async #inherit(suffix) {
    const ledger = await this.#take(suffix);
    if (ledger === null) return null;
    const mayComeBack = this.pages && ledger.sinceUsedMs < RELOAD_MS;
    if (!ledger.isEmpty && !mayComeBack) return ledger;
    this.#letGo(suffix);
    return null;
  }

  #letGo(suffix) {
    this.#releases.get(suffix)?.();
    this.#releases.delete(suffix);
  }

  async #hold(suffix, waitMs = 0) {
    const release = await this.#locks.hold(`${this.#sessionKey}:${suffix}`, waitMs);
    if (release !== null) this.#releases.set(suffix, release);
    return release !== null;
  }
}
