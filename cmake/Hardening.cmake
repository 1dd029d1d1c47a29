# What makes a flaw harder to use. docs/security.md, "Build and run", says what is checked where: tests/lint/hardening.py.
# Compile flags are those of the release alone: a sanitizer does what they do, and better, and a debug build has no optimisation
# for FORTIFY. What the linker does costs no compilation, so the debug build has it too.
if(FETCHD_SANITIZE)
  return()
endif()
add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)

if(NOT CMAKE_BUILD_TYPE MATCHES Rel)
  return()
endif()
# FORTIFY 3 sees sizes that only run time knows: clang 9 and glibc 2.34 or newer, which Debian 12 has.
add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection)
# An index or an iterator out of bounds ends the process instead of reading on: a restart loses nothing durable, and what lies
# beyond may be a credential.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-D_GLIBCXX_ASSERTIONS>)
# Not hardening: the same program comes out of whatever folder (scripts/release).
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=/usr/src/fetchd)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  # Landing pads and shadow stacks. The program is marked for them where the C library's start files are: not on Debian 12.
  add_compile_options(-fcf-protection=full)
endif()
