// What a damaged disk may hold: every record of the store and of the replicated log.
#include "cluster/log_record.h"
#include "runtime/mailbox_record.h"
#include "runtime/record.h"
#include "tests/fuzz/target.h"

namespace carillon {

void fuzz(std::string_view input) {
  (void)runtime::decode_window(input);
  (void)runtime::decode_moved_windows(input);
  (void)runtime::decode_snapshot(input);
  (void)runtime::decode_cursor(input);
  (void)runtime::decode_dead_letter(input);
  (void)runtime::decode_reminder(input);
  (void)runtime::decode_store_format(input);
  (void)cluster::decode_log_entry(input);
  (void)cluster::decode_epoch_begin(input);
  (void)cluster::decode_replica_state(input);
  const auto events = runtime::decode_mailbox_record(input);
  if (!events) return;
  CHECK(*runtime::count_of_mailbox_record(input) == events->size());
}

}  // namespace carillon
