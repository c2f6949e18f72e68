// Runs a fuzz target without libFuzzer: every file of its corpus, then mutations of each, the same
// ones every time.
//
//   bolt_file_fuzz tests/corpus/bolt_file_fuzz [--mutations=100]
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kv/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

namespace socle {
namespace {

void RunOnce(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Small integers at the edges, as lengths and counts are attacked with.
uint64_t EdgeNumber(Random* random) {
  constexpr uint64_t kEdges[] = {0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF'FFFF, 0xFFFF'FFFF, ~uint64_t{0}};
  return kEdges[random->Below(std::size(kEdges))] - random->Below(2);
}

void MutateOnce(Random* random, std::string* input) {
  if (input->empty()) {
    input->push_back('\0');
  }
  const size_t at = random->Below(input->size());
  switch (random->Below(5)) {
    case 0:
      (*input)[at] = static_cast<char>((*input)[at] ^ static_cast<char>(1U << random->Below(8)));
      break;
    case 1:
      (*input)[at] = static_cast<char>(random->Below(256));
      break;
    case 2: {
      const uint64_t number = EdgeNumber(random);
      const size_t size = std::min<size_t>(size_t{1} << random->Below(4), input->size() - at);
      std::copy_n(reinterpret_cast<const char*>(&number), size,
                  input->begin() + static_cast<ptrdiff_t>(at));
      break;
    }
    case 3:
      input->resize(at);
      break;
    default: {
      const size_t from = random->Below(input->size());
      const size_t size = std::min<size_t>(random->Below(300), input->size() - std::max(at, from));
      const std::string piece = input->substr(from, size);
      input->replace(at, size, piece);
    }
  }
}

int Run(const std::vector<std::string_view>& arguments) {
  uint64_t mutations = 100;
  uint64_t runs = 0;
  for (const std::string_view argument : arguments) {
    if (argument.starts_with("--mutations=")) {
      mutations = std::strtoull(argument.data() + argument.find('=') + 1, nullptr, 10);
      continue;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argument)) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (size_t i = 0; i < files.size(); ++i) {
      std::ifstream file(files[i], std::ios::binary);
      const std::string seed{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
      Random random(i + 1);
      RunOnce(seed);
      for (uint64_t mutation = 0; mutation < mutations; ++mutation) {
        std::string input = seed;
        for (uint64_t steps = 1 + random.Below(4); steps > 0; --steps) {
          MutateOnce(&random, &input);
        }
        RunOnce(input);
      }
      runs += 1 + mutations;
    }
  }
  fmt::print("{} inputs\n", runs);
  return runs > 0 ? 0 : 1;
}

}  // namespace
}  // namespace socle

int main(int argc, char** argv) {
  return socle::Run(std::vector<std::string_view>(argv + 1, argv + argc));
}
