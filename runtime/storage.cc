#include "runtime/storage.h"

#include <xxhash.h>

#include <cstdint>
#include <cstring>

namespace carillon::runtime {
namespace {

using Checksum = std::uint64_t;

Checksum checksum(std::string_view key, std::string_view value) {
  return XXH3_64bits_withSeed(value.data(), value.size(), XXH3_64bits(key.data(), key.size()));
}

}  // namespace

std::optional<std::string_view> value_of_record(std::string_view key, std::string_view record) {
  if (record.size() < sizeof(Checksum)) return std::nullopt;
  const auto value = record.substr(0, record.size() - sizeof(Checksum));
  Checksum stored = 0;
  std::memcpy(&stored, record.data() + value.size(), sizeof stored);
  if (stored != checksum(key, value)) return std::nullopt;
  return value;
}

void WriteSet::put(std::string_view key, std::string_view value) {
  thread_local std::string record;
  const auto sum = checksum(key, value);
  record.assign(value);
  record.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  batch().Put({key.data(), key.size()}, record);
}

}  // namespace carillon::runtime
