// A key file of a running node, and tokens that it takes.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary_directory.h"
#include "tests/support/token_forge.h"

namespace carillon::testing {

// Replaces `path` in one step, as operators should.
inline void replace_file(const std::filesystem::path& path, const std::string& content) {
  auto draft = path;
  draft += ".new";
  std::ofstream(draft) << content;
  std::filesystem::rename(draft, path);
}

class KeyFile {
 public:
  KeyFile() { trust(forge); }

  std::string path() const { return directory_.path() / "keys"; }
  std::filesystem::path directory() const { return directory_.path(); }
  void trust(const TokenForge& other) { replace_file(path(), other.public_file()); }
  void write(const std::string& content) { replace_file(path(), content); }

  // Claims of `subject`, valid for so long, with more members after a comma.
  static std::string claims(const std::string& subject, const std::string& more,
                            std::chrono::milliseconds lasts = std::chrono::hours(1)) {
    using std::chrono::system_clock;
    const auto expires =
        std::chrono::duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch() + lasts).count();
    const auto thousandths = std::to_string(1'000 + expires % 1'000).substr(1);
    return R"({"sub":")" + subject + R"(","exp":)" + std::to_string(expires / 1'000) + "." + thousandths +
           (more.empty() ? "" : "," + more) + "}";
  }
  // A player reads their own stream, and publishes to hubs and to it.
  static std::string of_player(const std::string& name, std::chrono::milliseconds lasts = std::chrono::hours(1)) {
    return claims(name, R"("carillon":{"read":["player/{sub}"],"publish":["match/*","player/{sub}"]})", lasts);
  }
  static std::string of_operator() { return claims("ops", R"("carillon":{"operate":true})"); }

  const TokenForge forge = TokenForge::ed25519();

 private:
  TemporaryDirectory directory_;
};

}  // namespace carillon::testing
