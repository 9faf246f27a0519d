# Puts files into a program: embed_files(TARGET SYMBOL FILES…) adds to TARGET a unit that defines
#
#   std::span<const carillon::EmbeddedFile> carillon::SYMBOL();      (declared in a header of the target's, see actors/pages.h)
#
# in the order given, each under the name after the colon in PATH:NAME. The assembler reads the files, so that nothing
# parses their bytes as C++; a file that changes is put in anew.
function(embed_files target symbol)
  set(assembly "")
  set(table "")
  set(declarations "")
  set(paths "")
  set(number 0)
  foreach(pair IN LISTS ARGN)
    string(REGEX MATCH "^(.*):([^:]+)$" _ "${pair}")
    set(path "${CMAKE_MATCH_1}")
    set(name "${CMAKE_MATCH_2}")
    set(label "carillon_${symbol}_${number}")
    string(APPEND assembly "    \"${label}: .incbin \\\"${path}\\\"\\n${label}_end: .byte 0\\n\"\n")
    string(APPEND declarations "extern const char ${label}[], ${label}_end[];\n")
    string(APPEND table "      {\"${name}\", {${label}, static_cast<std::size_t>(${label}_end - ${label})}},\n")
    list(APPEND paths "${path}")
    math(EXPR number "${number} + 1")
  endforeach()
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}.cc")
  file(CONFIGURE OUTPUT "${unit}" @ONLY CONTENT "// Made by actors/embed_files.cmake.
#include \"actors/pages.h\"

asm(\".section .rodata\\n\"
${assembly}    \".previous\\n\");

extern \"C\" {
${declarations}}

namespace carillon {

std::span<const EmbeddedFile> ${symbol}() {
  static const EmbeddedFile files[] = {
${table}  };
  return files;
}

}  // namespace carillon
")
  set_source_files_properties("${unit}" PROPERTIES OBJECT_DEPENDS "${paths}" SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE "${unit}")
endfunction()
