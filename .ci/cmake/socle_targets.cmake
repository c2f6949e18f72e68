# socle_library, socle_binary, socle_test, socle_fuzz, socle_microbench: how every target of the tree is made.

add_library(socle_flags INTERFACE)
target_include_directories(socle_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(socle_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Wimplicit-fallthrough
  -Wno-missing-field-initializers  # designated initialisers leave the rest at its default
  -Werror -fno-omit-frame-pointer -msse4.2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(socle_flags INTERFACE -Wno-restrict)  # g++ 12 sees overlaps in std::string that are none
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's stable_sort uses what it has deprecated itself.
  target_compile_options(socle_flags INTERFACE
    -Wthread-safety -Wthread-safety-beta -Wno-deprecated-declarations)
endif()
if(SOCLE_SANITIZE)
  add_compile_options(-fsanitize=${SOCLE_SANITIZE} -fno-sanitize-recover=all -g1)
  add_link_options(-fsanitize=${SOCLE_SANITIZE})
endif()
find_program(SOCLE_MOLD mold)
if(SOCLE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
find_program(SOCLE_CCACHE ccache)
if(SOCLE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SOCLE_CCACHE})
endif()

# socle_library(name SOURCES … [DEPS …] [PRIVATE_DEPS …]): static library socle_<name>, alias socle::<name>.
function(socle_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(socle_${name} STATIC ${ARG_SOURCES})
  add_library(socle::${name} ALIAS socle_${name})
  target_link_libraries(socle_${name} PUBLIC ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:socle_flags> ${ARG_PRIVATE_DEPS})
  target_include_directories(socle_${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}> $<INSTALL_INTERFACE:include/socle>)
  target_compile_features(socle_${name} PUBLIC cxx_std_20)  # for projects that find the installed library
  set_target_properties(socle_${name} PROPERTIES EXPORT_NAME ${name})
endfunction()

# socle_version_in(source): the source may say SOCLE_VERSION, a string; nothing else is built anew when it changes.
function(socle_version_in source)
  set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS SOCLE_VERSION="${PROJECT_VERSION}")
endfunction()

# socle_binary(name [JEMALLOC] SOURCES … DEPS …): program build/<preset>/bin/<name>. JEMALLOC: its allocator instead of glibc's,
# except under a sanitizer, which brings its own.
function(socle_binary name)
  cmake_parse_arguments(ARG "JEMALLOC" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE socle_flags ${ARG_DEPS})
  if(ARG_JEMALLOC AND NOT SOCLE_SANITIZE)
    target_link_libraries(${name} PRIVATE PkgConfig::JEMALLOC)
  endif()
endfunction()

# socle_test(name SOURCES … DEPS … [LABEL unit] [TIMEOUT 120]): one GoogleTest binary, one ctest entry per test.
# The fixture makes the check of probes (tests/CMakeLists.txt) run when all of them are over.
function(socle_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE socle_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} FIXTURES_REQUIRED probes)
endfunction()

# socle_microbench(name SOURCES … DEPS …): Google Benchmark binary, also run at toy size as a smoke test.
function(socle_microbench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE socle_flags ${ARG_DEPS} benchmark::benchmark_main)
  add_test(NAME ${name}_smoke COMMAND ${name} --benchmark_min_time=0.001)
  set_tests_properties(${name}_smoke PROPERTIES LABELS smoke TIMEOUT 120)
endfunction()

# socle_fuzz(name SOURCES … DEPS …): fuzz target with seeds in tests/corpus/<name>. In the fuzz preset a libFuzzer binary (./dev fuzz),
# elsewhere a test that runs the seeds and mutations of them.
function(socle_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE socle_flags ${ARG_DEPS})
  if(SOCLE_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  target_link_libraries(${name} PRIVATE socle_fuzz_corpus)
  add_test(NAME ${name} COMMAND ${name} ${CMAKE_SOURCE_DIR}/tests/corpus/${name})
  set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120 FIXTURES_REQUIRED probes)
endfunction()
