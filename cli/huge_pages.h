// Memory in huge pages, for the program that is linked with tcmalloc.
#pragma once

namespace carillon::cli {

// From here on tcmalloc takes memory from Linux in pieces of 2 MiB and asks for huge pages (madvise), of which the
// processor need not look up as many: LevelDB's write buffer is read in random order. A kernel that has none to give, or
// none at all, leaves everything as it was. Call it once, before there is a second thread.
void take_memory_in_huge_pages();

}  // namespace carillon::cli
