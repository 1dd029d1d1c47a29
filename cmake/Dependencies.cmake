# Everything comes from Debian 12 packages; scripts/install-deps lists them.
find_package(Threads REQUIRED)   # Before gRPC: its targets name Threads::Threads.
find_package(Protobuf REQUIRED)  # Module mode: Debian ships no protobuf-config.cmake.
find_package(gRPC CONFIG REQUIRED)
find_package(Boost 1.81 REQUIRED CONFIG COMPONENTS headers)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(yaml-cpp CONFIG REQUIRED)
find_package(EXPAT REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(BROTLIDEC REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(CJOSE REQUIRED IMPORTED_TARGET cjose)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(NCURSESW REQUIRED ncursesw)  # To link only: its flags define _XOPEN_SOURCE anew.
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(IDN2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
if(BUILD_TESTING)
  find_package(GTest CONFIG REQUIRED)
  pkg_check_modules(BROTLIENC REQUIRED IMPORTED_TARGET libbrotlienc)
endif()

# Asio and Boost.JSON are compiled once, here, not in every file that includes them.
file(WRITE ${CMAKE_BINARY_DIR}/boost_asio.cc "#include <boost/asio/impl/src.hpp>\n#include <boost/asio/ssl/impl/src.hpp>\n")
file(WRITE ${CMAKE_BINARY_DIR}/boost_json.cc "#include <boost/json/src.hpp>\n")
add_library(fetchd_boost_asio STATIC ${CMAKE_BINARY_DIR}/boost_asio.cc)
target_link_libraries(fetchd_boost_asio PUBLIC Boost::headers OpenSSL::SSL Threads::Threads)
target_compile_definitions(fetchd_boost_asio PUBLIC
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_NO_TS_EXECUTORS BOOST_ASIO_DISABLE_BOOST_COROUTINE
  BOOST_ASIO_SEPARATE_COMPILATION)
add_library(fetchd_boost_json STATIC ${CMAKE_BINARY_DIR}/boost_json.cc)
target_link_libraries(fetchd_boost_json PUBLIC Boost::headers)
