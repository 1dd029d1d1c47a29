# A folder is a library, and an include that docs/architecture.md does not draw does not build:
# each library sees its own headers and those of its DEPS only, through build/layers/<folder>/<folder>.

# What each folder may include (base and telemetry: everyone). The picture in docs/architecture.md is this table;
# tests/lint holds the sources against it.
set(FETCHD_MAY_base "")
set(FETCHD_MAY_telemetry base)
set(FETCHD_MAY_egress base)
set(FETCHD_MAY_runtime base telemetry)
set(FETCHD_MAY_jobs base)
set(FETCHD_MAY_net base telemetry egress runtime)
set(FETCHD_MAY_http base telemetry egress runtime net)
set(FETCHD_MAY_objstore base telemetry runtime http)
set(FETCHD_MAY_sink base telemetry runtime objstore)
set(FETCHD_MAY_store base telemetry runtime jobs)
set(FETCHD_MAY_fetch base telemetry egress runtime jobs http sink)
set(FETCHD_MAY_rpc base telemetry runtime jobs sink fetch proto)
set(FETCHD_MAY_admin base telemetry runtime jobs)
set(FETCHD_MAY_app base telemetry egress runtime net http objstore sink jobs store fetch rpc admin)
set(FETCHD_MAY_cli base proto)

# One header for all, compiled once: see its comment.
add_library(fetchd_precompiled STATIC ${CMAKE_SOURCE_DIR}/cmake/precompiled.cc)
target_link_libraries(fetchd_precompiled PRIVATE fetchd_options fetchd_boost_asio absl::status absl::statusor)
target_precompile_headers(fetchd_precompiled PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled.h)

if(BUILD_TESTING)
  add_library(fetchd_precompiled_test STATIC ${CMAKE_SOURCE_DIR}/cmake/precompiled.cc)
  target_link_libraries(fetchd_precompiled_test
    PRIVATE fetchd_options fetchd_boost_asio absl::status absl::statusor GTest::gmock)
  target_precompile_headers(fetchd_precompiled_test PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled_test.h)
endif()

# fetchd_reuse_precompiled(TARGET fetchd_precompiled DEPS...): that header, or the larger one of proto/CMakeLists.txt where the
# dependencies have need of it.
function(fetchd_reuse_precompiled target header)
  foreach(dep IN ITEMS cli proto)
    if(dep IN_LIST ARGN)
      set(header fetchd_precompiled_grpc)
    endif()
  endforeach()
  target_precompile_headers(${target} REUSE_FROM ${header})
endfunction()

function(fetchd_layer_includes target name folder)
  set(root ${CMAKE_SOURCE_DIR}/build/layers/${name})
  file(MAKE_DIRECTORY ${root})
  if(NOT EXISTS ${root}/${name})
    file(CREATE_LINK ${folder} ${root}/${name} SYMBOLIC)
  endif()
  target_include_directories(${target} PUBLIC ${root})
endfunction()

# fetchd_library(NAME http SRCS a.cc b.cc DEPS net EXPORTED_DEPS base LIBS OpenSSL::SSL EXPORTED_LIBS absl::status)
#   DEPS           folders used in .cc files only; EXPORTED_DEPS folders that our headers include.
#   LIBS           third-party libraries, likewise.
function(fetchd_library)
  cmake_parse_arguments(ARG "" "NAME" "SRCS;DEPS;EXPORTED_DEPS;LIBS;EXPORTED_LIBS" ${ARGN})
  set(target fetchd_${ARG_NAME})
  add_library(${target} STATIC ${ARG_SRCS})
  fetchd_layer_includes(${target} ${ARG_NAME} ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(dep IN LISTS ARG_DEPS ARG_EXPORTED_DEPS)
    if(NOT dep IN_LIST FETCHD_MAY_${ARG_NAME})
      message(FATAL_ERROR "server/${ARG_NAME} may not depend on ${dep}: see docs/architecture.md, 'Layers'")
    endif()
  endforeach()
  fetchd_reuse_precompiled(${target} fetchd_precompiled ${ARG_DEPS} ${ARG_EXPORTED_DEPS})
  list(TRANSFORM ARG_DEPS PREPEND fetchd_)
  list(TRANSFORM ARG_EXPORTED_DEPS PREPEND fetchd_)
  target_link_libraries(${target}
    PUBLIC ${ARG_EXPORTED_DEPS} ${ARG_EXPORTED_LIBS}
    PRIVATE fetchd_options ${ARG_DEPS} ${ARG_LIBS})
endfunction()

# fetchd_test(NAME url_test LABEL unit SRCS url_test.cc DEPS base egress)
#   One executable; LABEL is unit, integration or e2e. Tests may include everything.
function(fetchd_test)
  cmake_parse_arguments(ARG "" "NAME;LABEL;TIMEOUT" "SRCS;DEPS;LIBS" ${ARGN})
  add_executable(${ARG_NAME} ${ARG_SRCS})
  fetchd_reuse_precompiled(${ARG_NAME} fetchd_precompiled_test ${ARG_DEPS})
  list(TRANSFORM ARG_DEPS PREPEND fetchd_)
  target_link_libraries(${ARG_NAME} PRIVATE fetchd_options ${ARG_DEPS} ${ARG_LIBS} GTest::gmock GTest::gtest_main)
  target_include_directories(${ARG_NAME} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${ARG_NAME} PRIVATE FETCHD_CORPORA="${CMAKE_SOURCE_DIR}/tests/corpora")
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  if(FETCHD_SANITIZE)  # Slower by so much, on a loaded machine.
    math(EXPR ARG_TIMEOUT "5 * ${ARG_TIMEOUT}")
  endif()
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME})
  set_tests_properties(${ARG_NAME} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
endfunction()
