# Compiler, warnings, sanitizers and linker for every target. docs/adr/0001 says why clang 19.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(FETCHD_SANITIZE "" CACHE STRING "Sanitizers to build with: address,undefined or thread")

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 18)
  # Debian's abseil is built by gcc; clang 18 changed how constrained templates are mangled.
  add_compile_options(-fclang-abi-compat=17)
endif()
# The same for libraries and programs, so that all share one precompiled header.
add_compile_options(-fPIE -pthread -fno-omit-frame-pointer -fstack-protector-strong)
add_link_options(-fuse-ld=lld -pie -pthread)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Or ccache could reuse nothing that includes the precompiled header.
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()

if(FETCHD_SANITIZE)
  add_compile_options(-fsanitize=${FETCHD_SANITIZE})
  add_link_options(-fsanitize=${FETCHD_SANITIZE})
  if(FETCHD_SANITIZE MATCHES address)
    # Code reports its coverage to the fuzz targets (tests/fuzz); to nobody in other programs.
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
  endif()
  if(FETCHD_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
include(Hardening)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# Our own code is held to these; third-party headers are SYSTEM includes.
add_library(fetchd_options INTERFACE)
target_compile_options(fetchd_options INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  -Wimplicit-fallthrough -Wunused -Wno-missing-field-initializers)
target_compile_definitions(fetchd_options INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_NO_TS_EXECUTORS BOOST_ASIO_DISABLE_BOOST_COROUTINE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_ALL_NO_LIB)
