// A network of its own for each node of a cluster on one machine, with cables that can be cut, one-way or lossy.
//
// Network namespaces on a bridge (`ip netns`, routes into nowhere, `tc netem`); needs root. Clients reach a node's loopback through a relay here,
// which stands for a client's own, unharmed way to it. All is taken down at the end. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clients/cpp/address.h"
#include "messages/result.h"

namespace carillon::bench {

class NetworkLab {
 public:
  // Why there can be none here; empty if there can.
  static std::string why_not();

  explicit NetworkLab(std::size_t nodes);
  ~NetworkLab();
  NetworkLab(const NetworkLab&) = delete;
  NetworkLab& operator=(const NetworkLab&) = delete;

  Result<void> start();

  // The file of node `number`'s namespace, its address in the lab, and that of the machine, where etcd may listen.
  std::string namespace_of(std::size_t number) const;
  std::string address_of(std::size_t number) const;
  std::string address_of_machine() const;

  // From now on clients reach `number`'s RPC port, which is `to` within its namespace, at what this gives. Once a node.
  Result<client::Address> relay(std::size_t number, const client::Address& to);

  // Whether the kernel has `tc netem`, without which a network is never slow here.
  bool can_slow_down() const;
  Result<void> cut_off(std::size_t number);
  Result<void> cut_between(std::size_t one, std::size_t other);
  Result<void> lose_what_it_sends(std::size_t number);
  Result<void> slow_down(std::size_t number);
  // Undoes all of these.
  Result<void> heal();

 private:
  class Relays;

  std::string name_of(std::size_t number) const;
  std::string cable_of(std::size_t number) const;
  std::string inside(std::size_t number) const;

  std::size_t nodes_;
  std::string prefix_;  // Of all names, so that several labs can be.
  int subnet_ = 0;
  std::vector<std::string> undo_;
  std::unique_ptr<Relays> relays_;
};

// For a data directory on a file system of its own that lies in memory.
Result<void> mount_small_disk(const std::string& directory);
void unmount_small_disk(const std::string& directory);
// No room from now on; room again.
Result<void> fill_disk(const std::string& directory);
Result<void> empty_disk(const std::string& directory);

}  // namespace carillon::bench
