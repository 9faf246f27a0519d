#include "actors/seat.h"

namespace carillon::actors {

caf::behavior seat(caf::event_based_actor* self, SeatOptions options) {
  const auto send = [=](auto content) {
    self->send(options.link, SendParcel{{options.partition, std::move(content)}});
  };
  return {
      [=](const Following& answer) {
        send(FollowingParcel{options.session, answer});
      },
      [=](NotificationsCommitted& news) {
        send(DeliveriesParcel{options.session, std::move(news.deliveries)});
      },
      [=](const PartitionReloaded&) { send(ReloadedParcel{}); },
      [=](Dismiss) { self->quit(); },
  };
}

}  // namespace carillon::actors
