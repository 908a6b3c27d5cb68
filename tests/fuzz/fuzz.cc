#include "tests/fuzz/fuzz.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nori {
namespace {

class BytesFile final : public RandomAccessFile {
 public:
  BytesFile(std::string_view bytes, bool mapped)
      : bytes_(bytes), mapped_(mapped) {}
  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override {
    const std::string_view all = bytes_.view();
    if (offset > all.size() || n > all.size() - offset) {
      return absl::DataLossError("read beyond the end of the file");
    }
    std::memcpy(scratch, all.data() + offset, n);
    *result = {scratch, n};
    return absl::OkStatus();
  }
  std::string_view Mapped() const override {
    return mapped_ ? bytes_.view() : std::string_view();
  }
  uint64_t Size() const override { return bytes_.view().size(); }

 private:
  const ExactBytes bytes_;
  const bool mapped_;
};

// Written, so that what is added up must be read.
volatile unsigned touched = 0;

}  // namespace

void FuzzRequire(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

ExactBytes::ExactBytes(std::string_view bytes)
    : data_(std::make_unique_for_overwrite<char[]>(bytes.size())),
      size_(bytes.size()) {
  if (size_ > 0) std::memcpy(data_.get(), bytes.data(), size_);
}

void Touch(std::string_view bytes) {
  unsigned sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  touched = sum;
}

std::unique_ptr<RandomAccessFile> FileOf(std::string_view bytes, bool mapped) {
  return std::make_unique<BytesFile>(bytes, mapped);
}

void PutFile(FileSystem* files, const std::string& path,
             std::string_view bytes) {
  auto file = files->CreateWritable(path);
  FuzzRequire(file.ok() && (*file)->Append(bytes).ok() &&
                  (*file)->Sync().ok() && (*file)->Close().ok(),
              "a file in memory can be written");
}

}  // namespace nori
