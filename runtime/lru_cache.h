// A bounded map that forgets what was not used for longest. Entries in use are never forgotten.
//
// Pure. Addresses of values are stable until they are forgotten.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace carillon::runtime {

// `Value` tells with `bool in_use() const` whether it must stay.
template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t entries_max) : entries_max_(entries_max) {}
  LruCache(const LruCache&) = delete;  // Entries point to one another.
  LruCache& operator=(const LruCache&) = delete;

  // nullptr when absent. Counts as a use.
  Value* find(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    auto& entry = found->second;
    unlink(entry);
    link_newest(entry);
    return &entry.value;
  }
  // Without counting as a use.
  const Value* peek(const Key& key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? nullptr : &found->second.value;
  }

  // `key` must be absent. May forget others that are not in use.
  Value& insert(const Key& key, Value value) {
    const auto [place, inserted] = entries_.try_emplace(key, std::move(value));
    auto& entry = place->second;
    entry.key = &place->first;
    link_newest(entry);
    forget_surplus(entry);
    return entry.value;
  }

  void erase(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    unlink(found->second);
    entries_.erase(found);
  }

  std::size_t size() const { return entries_.size(); }
  // Visits all, what was not used for longest first; that counts as no use.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (auto* at = ends_.newer; at != &ends_; at = at->newer) {
      auto& entry = static_cast<Entry&>(*at);
      visit(*entry.key, entry.value);
    }
  }

 private:
  struct Link {
    Link* newer = nullptr;
    Link* older = nullptr;
  };
  struct Entry : Link {
    explicit Entry(Value content) : value(std::move(content)) {}
    const Key* key = nullptr;
    Value value;
  };

  void unlink(Link& entry) {
    entry.newer->older = entry.older;
    entry.older->newer = entry.newer;
  }
  void link_newest(Link& entry) {
    entry.newer = &ends_;
    entry.older = ends_.older;
    ends_.older->newer = &entry;
    ends_.older = &entry;
  }

  void forget_surplus(const Entry& inserted) {
    // A few tries a time: what is in use moves to the front, so that the search does not meet it again and again.
    for (int tries = 0; entries_.size() > entries_max_ && tries < 4; ++tries) {
      auto& oldest = static_cast<Entry&>(*ends_.newer);
      if (&oldest == &inserted) return;
      unlink(oldest);
      if (oldest.value.in_use())
        link_newest(oldest);
      else
        entries_.erase(*oldest.key);
    }
  }

  std::size_t entries_max_;
  Link ends_{&ends_, &ends_};  // A ring: `older` is the newest entry, `newer` the oldest.
  std::unordered_map<Key, Entry> entries_;
};

}  // namespace carillon::runtime
