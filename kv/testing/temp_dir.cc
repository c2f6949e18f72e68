#include "kv/testing/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "kv/base/check.h"

namespace socle {
namespace {

std::string MakeUniqueDirectory() {
  std::string path = std::filesystem::temp_directory_path() / "socle_test_XXXXXX";
  CHECK(::mkdtemp(path.data()) != nullptr);
  return path;
}

}  // namespace

TempDir::TempDir() : path_(MakeUniqueDirectory()) {}

TempDir::~TempDir() {
  std::error_code ignored;  // a leftover in $TMPDIR is not worth failing a test
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace socle
