// TempDir: a new directory under $TMPDIR, removed with all it holds by the destructor.
// Threads  immutable.
#ifndef SOCLE_KV_TESTING_TEMP_DIR_H_
#define SOCLE_KV_TESTING_TEMP_DIR_H_

#include <string>
#include <string_view>

namespace socle {

class TempDir {
 public:
  TempDir();
  ~TempDir();

  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

  std::string PathOf(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  const std::string path_;
};

}  // namespace socle

#endif  // SOCLE_KV_TESTING_TEMP_DIR_H_
