// Actors of a worker run in the order in which they were given something to do: so many small messages become few large ones.
#include "actors/fair_stealing.h"

#include <gmock/gmock.h>

#include "actors/system_config.h"

namespace carillon::actors {
namespace {

TEST(FairStealing, WhoWasSentSomethingFirstRunsFirst) {
  // Given actors on one worker, of which one sends to two others that have nothing to do.
  SystemConfig config{1};
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  const auto me = caf::actor_cast<caf::actor>(self);
  const auto answers = [me](int number) {
    return [me, number](caf::event_based_actor* other) {
      return caf::behavior{[=](caf::ok_atom) { other->send(me, number); }};
    };
  };
  const auto first = system.spawn(answers(1)), second = system.spawn(answers(2));
  const auto sender = system.spawn([=](caf::event_based_actor* actor) {
    return caf::behavior{[=](caf::ok_atom) {
      actor->send(first, caf::ok_atom::value);
      actor->send(second, caf::ok_atom::value);
    }};
  });
  // When it has,
  caf::anon_send(sender, caf::ok_atom::value);
  // then they run in that order.
  std::vector<int> order;
  while (order.size() < 2)
    self->receive([&](int number) { order.push_back(number); },
                  caf::after(std::chrono::seconds(10)) >> [&] { order.resize(2); });
  EXPECT_THAT(order, ::testing::ElementsAre(1, 2));
  for (const auto& actor : {first, second, sender}) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
}

}  // namespace
}  // namespace carillon::actors
