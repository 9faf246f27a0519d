#include "cli/config_file.h"

#include <set>
#include <string>

namespace carillon::cli {
namespace {

void put_in(CLI::App& command, const std::string& file) {
  const auto refuse = [&](const std::string& what) { throw CLI::ConfigError(file + ": " + what); };
  CLI::ConfigTOML toml;
  std::set<std::string> seen;
  for (const auto& item : toml.from_file(file)) {
    if (!item.parents.empty()) refuse("there are no sections; " + item.fullname() + " stands in one");
    auto* const option = command.get_option_no_throw("--" + item.name);
    if (option == nullptr || !option->get_configurable())
      refuse("no setting is called '" + item.name + "'; carillon " + command.get_name() + " --help lists them");
    if (!seen.insert(item.name).second) refuse("'" + item.name + "' stands there twice");
    if (!option->empty()) continue;  // Given on the command line.
    if (option->get_expected_min() == 0)
      option->add_result(option->get_flag_value(item.name, toml.to_flag(item)));
    else
      option->add_result(item.inputs);
  }
}

}  // namespace

void add_config_option(CLI::App& command) {
  command.get_help_ptr()->configurable(false);
  command
      .add_option_function<std::string>(
          "--config", [&command](const std::string& file) { put_in(command, file); },
          "a file with settings, one `option = value` a line; options given here count more")
      ->configurable(false)
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
}

}  // namespace carillon::cli
