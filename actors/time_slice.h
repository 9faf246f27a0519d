// How long the calling thread waits for a processor when all are busy.
#pragma once

namespace carillon::actors {

// Asks Linux for short time slices (0.1 ms, the shortest there is): a thread that runs briefly and often, as the journal
// does, then gets a processor sooner, without more of it than others (EEVDF, Stoica and Abdel-Wahab 1995; custom slices
// since Linux 6.12). Needs no privilege; an older kernel leaves everything as it was.
void ask_for_short_time_slices();

// The calling thread gets a processor when hardly anybody else wants it (nice 19), from now on.
void let_others_go_first();

}  // namespace carillon::actors
