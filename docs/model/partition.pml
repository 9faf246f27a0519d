/*
 * One partition on three nodes: epochs, nomination, leases, rejoining, as docs/cluster.md specifies them.
 *
 * Checked by `./dev model`; README.md next to this file says what is modelled, what is left out and why, and how to read a
 * counterexample.
 *
 * One process takes one step of a node, of etcd, of time or of a fault after the other, in every order there is. Between
 * the steps of a node anything may happen: a node that sleeps, or is dead for a while, is one that takes no steps.
 * After every step the promises are judged:
 *   P1  what is committed, or acknowledged to a client, stands synced in the log of every member of the in-sync set that
 *       etcd names, its primary included; nobody takes anything else for committed, or truncates it;
 *   P2  the committed log has no client event twice;
 *   P8  one node commits in an epoch; nothing new is committed in a lower one once an entry made in a higher one is; nobody
 *       acknowledges in a lower epoch than it has been in; no read is less than what anybody has acknowledged.
 *
 * Bounds and planted changes are switches (-D). `./dev model` has the list; each planted change stands in an #if here.
 */
#ifndef EPOCHS
#define EPOCHS 4 /* The highest. */
#endif
#ifndef EVENTS
#define EVENTS 2 /* Of clients; a log is no longer. */
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef WIPES
#define WIPES 0
#endif
#ifndef BREAKS
#define BREAKS 0
#endif
#ifndef FIRST_IN_SYNC
#define FIRST_IN_SYNC 7 /* Bits of nodes: 7 is A, B and C; 3 leaves C out, with an empty log. */
#endif
/* LEASES: with leases and reads. Without, nominations are free, and reads are not judged.
 * APPLIED: remembers what each node has applied, and judges that it is never truncated.
 * SWAPS_TAKE_TIME: every request to etcd is under way for a while, not only those that add somebody. */

#define NODES 3
#define NOBODY 3
#define BIT(n) (1 << (n))
#define HAS(set, n) (((set) >> (n)) & 1)
#define WITH(set, n, value) (((set) & (7 - BIT(n))) | ((value) << (n)))
#define LESSER(x, y) ((x) < (y) -> (x) : (y))

/* The record in etcd. A replica is a node and a store: `stores` has one bit of store id for each member. */
byte epoch = 1;
byte primary = 0;
byte in_sync = FIRST_IN_SYNC;
byte stores = 0;

/* A node's compare-and-swap on its way to etcd. It expects the epoch that is: any other fails, and is forgotten at once. It
 * outlives the node's process. */
mtype = { Nominate, Raise, Add, Remove };
typedef Request {
  mtype what = 0;
  byte target; /* Whom to add or to remove, */
  byte store   /* and with which store. */
};
Request request[NODES];

/* What a node has on disk. Entry i of node n stands at AT(n, i); an entry is its epoch and a client's event. */
#define AT(n, i) ((n)*EVENTS + (i)-1)
#define EPOCH_AT(n, i) ((i) > 0 && (i) <= length[n] -> entry_epoch[AT(n, ((i) > 0 && (i) <= length[n] -> (i) : 1))] : 0)
byte entry_epoch[NODES * EVENTS];
byte entry_event[NODES * EVENTS];
byte length[NODES];
byte synced[NODES];
byte disk = 0; /* Bit n: the store that node n has. */

/* What a node knows. */
byte view[NODES] = 1;  /* The highest epoch that it has seen; it refuses lower ones. */
byte leads = 1;        /* Bit n: n is that epoch's primary. */
byte found = 0;        /* Bit n: it was so when n started, so n may not go on in that epoch: it has no memory of it. */
/* What a primary knows besides; 0 for others. */
byte set[NODES];       /* The in-sync set of its epoch, and their stores. */
byte set_stores[NODES];
byte commit[NODES];    /* Committed and applied: what a read returns. */
byte inherited[NODES]; /* The length of its log when it became primary. */
byte candidate[NODES] = NOBODY; /* Whom it has asked etcd to add. */
#define PAIR(n, m) ((n)*NODES + (m))
byte next[NODES * NODES]; /* At PAIR(primary, other): the entry to send next. */
byte heard[NODES];        /* Bit m: m has acknowledged in this epoch everything below `next`, */
byte heard_store[NODES];  /* with that store. */

/* Acknowledgements on their way, at PAIR(primary, other): one more than the index; 0 is none. They are of the primary's
 * epoch: it forgets others. */
byte answer[NODES * NODES];
byte answer_store[NODES]; /* Bit m: the store of m. */
byte answer_lease[NODES]; /* Bit m: the lease that it gives has not run out. */

/* Leases. The holder's time runs out before the giver's, so one step ends both. Bit n: n has given one. */
byte given = 0;
byte held[NODES];

/* What has happened, for the promises and the bounds. */
byte committed = 0;
byte committed_epoch[EVENTS];
byte committed_event[EVENTS];
byte committer = NOBODY; /* Of the last entry, if it was committed in the epoch in which it was made. */
byte acknowledged = 0;   /* Bit e: a client was told that event e is accepted. */
byte been_in[NODES] = 1; /* The highest epoch that this replica has seen in all its lives. */
#ifdef APPLIED
byte applied[NODES]; /* How far a node has taken entries for committed. */
#endif
byte events = 0, restarts = 0, wipes = 0, breaks = 0;

/* Registers of a step; 0 between steps. */
byte n, m, i, j, k, l, x, y, z;
bool fits;

/* --- who may do what */

#ifdef STORE_ID_IGNORED
#define SAME_STORE(x, y, n) true
#else
#define SAME_STORE(x, y, n) (HAS(x, n) == HAS(y, n))
#endif
#define IS_MEMBER(n) (HAS(in_sync, n) && SAME_STORE(stores, disk, n)) /* For one that has read the present record. */

#ifdef NOMINATION_OUT_OF_SYNC
#define MAY_NOMINATE(n) true
#else
#define MAY_NOMINATE(n) IS_MEMBER(n)
#endif

#ifdef LEASE_IGNORED
#define NO_LEASE_GIVEN(n) true
#else
#define NO_LEASE_GIVEN(n) (!HAS(given, n))
#endif

#ifdef LEASE_LOOKED_AT_ONLY_WHEN_ASKING
#define BEGINS(n) true
#else
#define BEGINS(n) NO_LEASE_GIVEN(n)
#endif

#define ACTS(n) \
  (HAS(leads, n) && !HAS(found, n) && HAS(set[n], n) && SAME_STORE(set_stores[n], disk, n) && BEGINS(n))

#if defined(CANDIDATE_NOT_AWAITED)
#define AWAITS(n, m) HAS(set[n], m)
#elif defined(SILENT_NOT_AWAITED)
#define AWAITS(n, m) ((HAS(set[n], m) && !(request[n].what == Remove && request[n].target == m)) || candidate[n] == m)
#else
#define AWAITS(n, m) (HAS(set[n], m) || candidate[n] == m)
#endif

/* How far `m`, as the replica that counts, has the log of `n`. */
#define MATCHED(n, m) \
  (HAS(heard[n], m) && SAME_STORE(heard_store[n], set_stores[n], m) -> next[PAIR(n, m)] - 1 : 0)

#ifdef CANDIDATE_GIVES_NO_LEASE
#define HOLDS_LEASE(n, m) ((m) == (n) || !HAS(set[n], m) || HAS(held[n], m))
#else
#define HOLDS_LEASE(n, m) ((m) == (n) || !(HAS(set[n], m) || candidate[n] == m) || HAS(held[n], m))
#endif

#define INHERITANCE_COMMITTED(n) (commit[n] >= inherited[n])

#define MAY_READ(n) \
  (ACTS(n) && INHERITANCE_COMMITTED(n) && HOLDS_LEASE(n, 0) && HOLDS_LEASE(n, 1) && HOLDS_LEASE(n, 2))

#ifdef ADDED_BEFORE_CAUGHT_UP
#define HAS_CAUGHT_UP(n, m) HAS(heard[n], m)
#elif defined(CAUGHT_UP_WITH_KNOWN_COMMIT)
#define HAS_CAUGHT_UP(n, m) (HAS(heard[n], m) && next[PAIR(n, m)] > commit[n])
#else
#define HAS_CAUGHT_UP(n, m) (HAS(heard[n], m) && next[PAIR(n, m)] > commit[n] && next[PAIR(n, m)] > inherited[n])
#endif

/* --- the promises */

inline check() {
  x = 0;
  do
  :: x < NODES ->
    if
    :: HAS(in_sync, x) && HAS(stores, x) == HAS(disk, x) ->
      assert(synced[x] >= committed); /* P1 */
      y = 1;
      z = 0;
      do
      :: y <= synced[x] ->
        assert(y > committed || entry_epoch[AT(x, y)] == committed_epoch[y - 1]); /* P1 */
        assert(y > committed || entry_event[AT(x, y)] == committed_event[y - 1]); /* P1 */
        z = z | BIT(entry_event[AT(x, y)]);
        y++
      :: else -> break
      od;
      assert((acknowledged & z) == acknowledged) /* P1 */
    :: else
    fi;
#ifdef LEASES
    assert(!MAY_READ(x) || commit[x] >= committed); /* P8 */
#endif
    x++
  :: else -> break
  od;
  x = 0; y = 0; z = 0
}

/* `node` takes everything up to `upto` for committed. */
inline believe(node, upto) {
  y = 1;
  do
  :: y <= upto ->
    assert(y <= committed); /* P1 */
    assert(entry_epoch[AT(node, y)] == committed_epoch[y - 1]); /* P1 */
    assert(entry_event[AT(node, y)] == committed_event[y - 1]); /* P1 */
    y++
  :: else -> break
  od;
  y = 0;
#ifdef APPLIED
  applied[node] = (upto > applied[node] -> upto : applied[node]);
#endif
  skip
}

/* The primary `node` commits as far as everybody whom it awaits has the log on stable storage, and tells the clients. */
inline commit_what_can_be(node) {
  if
  :: ACTS(node) ->
#ifdef OWN_SYNC_NOT_AWAITED
    x = length[node];
#else
    x = synced[node];
#endif
    y = 0;
    do
    :: y < NODES ->
      if
      :: y != node && AWAITS(node, y) -> x = LESSER(x, MATCHED(node, y))
      :: else
      fi;
      y++
    :: else -> break
    od;
    y = committed + 1;
    do
    :: y <= x ->
      if
      :: y > 1 ->
        assert(view[node] >= committed_epoch[y - 2]); /* P8 */
        assert(view[node] != committed_epoch[y - 2] || committer == NOBODY || committer == node) /* P8 */
      :: else
      fi;
      z = 1;
      do
      :: z < y -> assert(committed_event[z - 1] != entry_event[AT(node, y)]); z++ /* P2 */
      :: else -> break
      od;
      committed_epoch[y - 1] = entry_epoch[AT(node, y)];
      committed_event[y - 1] = entry_event[AT(node, y)];
      acknowledged = acknowledged | BIT(entry_event[AT(node, y)]);
      committed = y;
      committer = (entry_epoch[AT(node, y)] == view[node] -> node : NOBODY);
      printf("%c commits entry %d (event %d, made in epoch %d) in epoch %d\n", 65 + node, y, entry_event[AT(node, y)],
             entry_epoch[AT(node, y)], view[node]);
      y++
    :: else -> break
    od;
    z = 0;
    believe(node, x);
    if
    :: x > commit[node] -> commit[node] = x
    :: else
    fi;
    x = 0
  :: else
  fi
}

/* --- pieces of steps */

/* The log of `node` ends after entry `last`. What it has applied cannot be undone. */
inline cut(node, last) {
  do
  :: length[node] > last ->
#ifdef APPLIED
    assert(length[node] > applied[node]); /* P1 */
#endif
    entry_epoch[AT(node, length[node])] = 0;
    entry_event[AT(node, length[node])] = 0;
    length[node]--
  :: else -> break
  od;
  synced[node] = LESSER(synced[node], last)
}

/* What `node` knew as primary of an epoch; `begin` is the entry with which it begins to send, 0 if it is no primary. */
inline forget_others(node, begin) {
  y = 0;
  do
  :: y < NODES ->
    next[PAIR(node, y)] = (y == node -> 0 : begin);
    answer[PAIR(node, y)] = 0;
    y++
  :: else -> break
  od;
  y = 0;
  answer_store[node] = 0;
  answer_lease[node] = 0;
  heard[node] = 0;
  heard_store[node] = 0;
  candidate[node] = NOBODY
}

inline forget_primacy(node) {
  leads = leads & (7 - BIT(node));
  found = found & (7 - BIT(node));
  set[node] = 0;
  set_stores[node] = 0;
  commit[node] = 0;
  inherited[node] = 0;
  held[node] = 0;
  forget_others(node, 0)
}

/* `node` reads the record; `starting`: for the first time in this life. */
inline learn(node, starting) {
  if
  :: primary != node -> forget_primacy(node)
  :: else ->
    if
    :: !HAS(leads, node) || HAS(found, node) ->
      forget_primacy(node);
      leads = leads | BIT(node);
#ifndef RESTART_KEEPS_EPOCH
      found = WITH(found, node, starting);
#endif
      inherited[node] = length[node]
    :: else
    fi;
    set[node] = in_sync;
    set_stores[node] = stores;
    k = length[node] + 1;
    forget_others(node, k);
    k = 0
  fi;
  view[node] = epoch;
  been_in[node] = epoch;
  commit_what_can_be(node)
}

/* A process ends, and another begins. It reads the record before it does anything else. */
inline start_again(node) {
  k = synced[node];
  cut(node, k);
  k = 0;
  forget_primacy(node);
#ifdef RESTART_FORGETS_LEASE
  given = given & (7 - BIT(node));
#endif
#ifdef RESTART_WITHOUT_READING
  view[node] = EPOCH_AT(node, length[node]);
#else
  learn(node, 1);
#endif
  skip
}

/* --- steps */

/* A client sends event `j` to whom it takes for the primary, perhaps again. A new event enters the log, not yet synced. */
inline publish() {
  i = 1;
#ifdef WINDOW_OF_WHAT_IS_APPLIED
#define WINDOW commit[n]
#else
#define WINDOW length[n]
#endif
  do
  :: i <= WINDOW -> fits = fits || entry_event[AT(n, i)] == j; i++
  :: else -> break
  od;
  i = 0;
  if
  :: !fits && length[n] < EVENTS ->
    length[n]++;
    entry_epoch[AT(n, length[n])] = view[n];
    entry_event[AT(n, length[n])] = j;
    events = (j > events -> j : events);
    printf("%c takes event %d as entry %d of epoch %d\n", 65 + n, j, length[n], view[n]);
    commit_what_can_be(n)
#ifdef DUPLICATE_ACKNOWLEDGED_AT_ONCE
  :: fits && !HAS(acknowledged, j) ->
    printf("%c knows event %d already, and acknowledges it\n", 65 + n, j);
    acknowledged = acknowledged | BIT(j)
#endif
  :: else
  fi;
  fits = false
}

#ifdef EPOCH_NOT_CHECKED
#define REFUSES(n, m) false
#else
#define REFUSES(n, m) (view[n] < view[m])
#endif

/* What would change nothing is not sent. */
#define IS_WORTH_SENDING(n, m) (next[PAIR(n, m)] <= length[n] || !HAS(heard[n], m) || LEASE_IS_MISSING(n, m))
#ifdef LEASES
#define LEASE_IS_MISSING(n, m) (!HAS(held[n], m))
#else
#define LEASE_IS_MISSING(n, m) false
#endif

/* The primary `n` sends to `m`, which takes the message or says that it does not fit; the acknowledgement is under way then. */
inline send() {
  i = next[PAIR(n, m)];
  if
  :: REFUSES(n, m) -> skip
  :: else ->
    if
    :: view[n] > view[m] -> forget_primacy(m); view[m] = view[n]
    :: else
    fi;
    assert(view[n] >= been_in[m]); /* P8 */
    been_in[m] = (view[m] > been_in[m] -> view[m] : been_in[m]);
    synced[m] = length[m];
#ifdef TRUNCATION_BY_INDEX
    fits = i - 1 <= length[m];
#else
    fits = i == 1 || (i - 1 <= length[m] && EPOCH_AT(m, i - 1) == EPOCH_AT(n, i - 1));
#endif
    if
    :: fits ->
      if
      :: i > length[n] -> i--
#ifdef TRUNCATION_BY_INDEX
      :: i <= length[n] && length[m] >= i
#else
      :: i <= length[n] && length[m] >= i && EPOCH_AT(m, i) == EPOCH_AT(n, i)
#endif
      :: else ->
        k = i - 1;
        cut(m, k);
        k = 0;
        length[m] = i;
        synced[m] = i;
        entry_epoch[AT(m, i)] = entry_epoch[AT(n, i)];
        entry_event[AT(m, i)] = entry_event[AT(n, i)]
      fi;
#ifdef TAIL_TAKEN_FOR_MATCHED
      i = length[m];
#endif
      printf("%c sends to %c in epoch %d; %c has up to entry %d, and says so\n", 65 + n, 65 + m, view[n], 65 + m, i);
      k = LESSER(commit[n], i);
      believe(m, k);
      k = 0;
#ifdef LEASES
      given = given | BIT(m);
      answer_lease[n] = answer_lease[n] | BIT(m);
#endif
      answer[PAIR(n, m)] = i + 1;
      answer_store[n] = WITH(answer_store[n], m, HAS(disk, m))
    :: else ->
      /* The log of m ends with entry `length` of some epoch. Where did that end here? There m is to truncate. */
      i = LESSER(length[n], length[m]);
      do
      :: i > 0 && EPOCH_AT(n, i) > EPOCH_AT(m, length[m]) -> i--
      :: else -> break
      od;
      next[PAIR(n, m)] = i + 1;
      heard[n] = heard[n] & (7 - BIT(m));
      printf("%c sends to %c in epoch %d; it does not fit; %c is to truncate after entry %d\n", 65 + n, 65 + m, view[n],
             65 + m, i);
      if
      :: !(l == 1) -> cut(m, i)
      :: else -> printf("but the link breaks\n"); breaks++
      fi
    fi;
    fits = false
  fi;
  l = 0;
  i = 0
}

/* The acknowledgement of `m` arrives. A lease that has run out by now is none. */
inline hear() {
  next[PAIR(n, m)] = answer[PAIR(n, m)];
  heard[n] = heard[n] | BIT(m);
  heard_store[n] = WITH(heard_store[n], m, HAS(answer_store[n], m));
  held[n] = WITH(held[n], m, HAS(answer_lease[n], m));
  answer_lease[n] = answer_lease[n] & (7 - BIT(m));
  answer[PAIR(n, m)] = 0;
  answer_store[n] = WITH(answer_store[n], m, 0);
  printf("%c hears that %c has up to entry %d\n", 65 + n, 65 + m, next[PAIR(n, m)] - 1);
  commit_what_can_be(n)
}

#define CAN_ASK(n) (request[n].what == 0 && view[n] == epoch && epoch < EPOCHS)

/* etcd takes the request of `n`; all others have come too late. */
inline swap() {
  if
  :: request[n].what == Nominate ->
    in_sync = in_sync & (7 - BIT(primary));
#ifdef NOMINATION_OUT_OF_SYNC
    in_sync = in_sync | BIT(n);
    stores = WITH(stores, n, HAS(disk, n));
#endif
    stores = WITH(stores, primary, 0);
    primary = n;
    printf("etcd: epoch %d, %c is primary, in sync are %d\n", epoch + 1, 65 + n, in_sync)
  :: request[n].what == Raise -> printf("etcd: epoch %d, %c is primary again\n", epoch + 1, 65 + n)
  :: request[n].what == Add ->
    in_sync = in_sync | BIT(request[n].target);
    stores = WITH(stores, request[n].target, request[n].store);
    printf("etcd: epoch %d, %c adds %c, in sync are %d\n", epoch + 1, 65 + n, 65 + request[n].target, in_sync)
  :: request[n].what == Remove ->
#ifdef REMOVAL_WITHOUT_SWAP
    epoch = view[n];
    primary = n;
    in_sync = set[n];
    stores = set_stores[n];
#endif
    in_sync = in_sync & (7 - BIT(request[n].target));
    stores = WITH(stores, request[n].target, 0);
    printf("etcd: epoch %d, %c removes %c, in sync are %d\n", epoch + 1, 65 + n, 65 + request[n].target, in_sync)
  fi;
  epoch++;
  y = 0;
  do
  :: y < NODES ->
    request[y].what = 0;
    request[y].target = 0;
    request[y].store = 0;
    y++
  :: else -> break
  od;
  y = 0
}

inline ask(kind) {
  request[n].what = kind;
#ifndef SWAPS_TAKE_TIME
  if
  :: kind != Add -> swap()
  :: else
  fi
#endif
}

/* B and C are alike at first, so it is no loss that only one of them is the first to be nominated, or to be removed. */
#define IS_FIRST(n, wanted) (FIRST_IN_SYNC == 7 && epoch == 1 && (n) == 3 - (wanted))

inline pick_node() {
  if
  :: n = 0
  :: n = 1
  :: n = 2
  fi
}

inline pick_pair() {
  if
  :: n = 0; m = 1
  :: n = 0; m = 2
  :: n = 1; m = 0
  :: n = 1; m = 2
  :: n = 2; m = 0
  :: n = 2; m = 1
  fi
}

init {
  d_step {
    set[0] = FIRST_IN_SYNC;
    next[PAIR(0, 1)] = 1;
    next[PAIR(0, 2)] = 1
  };
end:
  do
  :: atomic {
      pick_node();
      if
      :: view[n] < epoch -> d_step { printf("%c reads epoch %d\n", 65 + n, epoch); learn(n, 0); check(); n = 0 }
      :: ACTS(n) && synced[n] < length[n] ->
        d_step { printf("%c has synced its log\n", 65 + n); synced[n] = length[n]; commit_what_can_be(n); check(); n = 0 }
      :: ACTS(n) ->
        if
        :: !HAS(acknowledged, 1) -> j = 1
        :: EVENTS > 1 && events >= 1 && !HAS(acknowledged, 2) -> j = 2
        :: EVENTS > 2 && events >= 2 && !HAS(acknowledged, 3) -> j = 3
        :: else -> j = 0
        fi;
        d_step {
          if
          :: j > 0 -> publish(); check()
          :: else
          fi;
          j = 0;
          n = 0
        }
      :: CAN_ASK(n) && !HAS(leads, n) && MAY_NOMINATE(n) && NO_LEASE_GIVEN(n) && !IS_FIRST(n, 1) ->
        d_step { printf("%c asks to be primary\n", 65 + n); ask(Nominate); check(); n = 0 }
      :: CAN_ASK(n) && HAS(found, n) && IS_MEMBER(n) ->
        d_step { printf("%c, started again, asks to be primary again\n", 65 + n); ask(Raise); check(); n = 0 }
      :: request[n].what != 0 -> d_step { swap(); check(); n = 0 }
      :: HAS(given, n) ->
        d_step {
          printf("the lease that %c gave runs out\n", 65 + n);
          given = given & (7 - BIT(n));
          held[0] = held[0] & (7 - BIT(n));
          held[1] = held[1] & (7 - BIT(n));
          held[2] = held[2] & (7 - BIT(n));
          answer_lease[0] = answer_lease[0] & (7 - BIT(n));
          answer_lease[1] = answer_lease[1] & (7 - BIT(n));
          answer_lease[2] = answer_lease[2] & (7 - BIT(n));
          commit_what_can_be(n);
          check();
          n = 0
        }
      :: restarts < RESTARTS ->
        d_step { printf("%c is killed, and starts again\n", 65 + n); restarts++; start_again(n); check(); n = 0 }
      :: wipes < WIPES ->
        d_step {
          printf("%c is killed, and starts again with an empty disk\n", 65 + n);
          wipes++;
          disk = disk ^ BIT(n);
          length[n] = 0;
          synced[n] = 0;
          k = 1;
          do
          :: k <= EVENTS -> entry_epoch[AT(n, k)] = 0; entry_event[AT(n, k)] = 0; k++
          :: else -> break
          od;
          k = 0;
          been_in[n] = 0; /* Another replica. */
#ifdef APPLIED
          applied[n] = 0;
#endif
          start_again(n);
          check();
          n = 0
        }
      :: else -> n = 0
      fi
    }
  :: atomic {
      pick_pair();
      if
      :: ACTS(n) && answer[PAIR(n, m)] == 0 && IS_WORTH_SENDING(n, m) -> d_step { send(); check(); n = 0; m = 0 }
      :: ACTS(n) && answer[PAIR(n, m)] == 0 && IS_WORTH_SENDING(n, m) && breaks < BREAKS ->
        d_step { l = 1; send(); check(); n = 0; m = 0 }
      :: answer[PAIR(n, m)] != 0 -> d_step { hear(); check(); n = 0; m = 0 }
      :: answer[PAIR(n, m)] != 0 && breaks < BREAKS ->
        d_step {
          printf("the link of %c and %c breaks\n", 65 + n, 65 + m);
          breaks++;
          answer[PAIR(n, m)] = 0;
          answer_store[n] = WITH(answer_store[n], m, 0);
          answer_lease[n] = answer_lease[n] & (7 - BIT(m));
          answer[PAIR(m, n)] = 0;
          answer_store[m] = WITH(answer_store[m], n, 0);
          answer_lease[m] = answer_lease[m] & (7 - BIT(n));
          n = 0;
          m = 0
        }
#ifdef REMOVAL_WITHOUT_SWAP
      :: ACTS(n) && request[n].what == 0 && view[n] < EPOCHS && HAS(set[n], m) && !IS_FIRST(m, 2) ->
#else
      :: ACTS(n) && CAN_ASK(n) && HAS(set[n], m) && !IS_FIRST(m, 2) ->
#endif
        d_step {
          printf("%c asks to remove %c\n", 65 + n, 65 + m);
          request[n].target = m;
          ask(Remove);
          commit_what_can_be(n);
          check();
          n = 0;
          m = 0
        }
      :: ACTS(n) && CAN_ASK(n) && !HAS(set[n], m) && HAS_CAUGHT_UP(n, m) ->
        d_step {
          printf("%c asks to add %c\n", 65 + n, 65 + m);
          request[n].target = m;
          request[n].store = HAS(heard_store[n], m);
          candidate[n] = m;
          set_stores[n] = WITH(set_stores[n], m, HAS(heard_store[n], m));
          ask(Add);
          check();
          n = 0;
          m = 0
        }
      :: else -> n = 0; m = 0
      fi
    }
  od
}
