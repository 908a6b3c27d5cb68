// What the fuzzers share: input cut into pieces, files in memory, and checksums
// made right again, without which no changed byte would come any further.

#ifndef NORI_TESTS_FUZZ_FUZZ_H_
#define NORI_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/io/file_system.h"

// The entry point of every fuzzer, called by libFuzzer or by replay_main.cc.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace nori {

// Ends the process with a message if `condition` does not hold.
void FuzzRequire(bool condition, const char* what);

// A copy in a heap block of exactly its size, so that a sanitizer sees every
// read beyond it.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view bytes);
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
};

// Uses every byte, so that a sanitizer sees what may not be read.
void Touch(std::string_view bytes);

// A file of these bytes, read in place if `mapped`.
std::unique_ptr<RandomAccessFile> FileOf(std::string_view bytes, bool mapped);

// Writes a file of a file system in memory.
void PutFile(FileSystem* files, const std::string& path,
             std::string_view bytes);

// Make the checksums of a log segment, of a manifest or of a table fit the
// bytes, as far as the lengths in them lead. `number` is the file's.
void SealLog(uint64_t number, std::string* bytes);
void SealManifest(uint64_t number, std::string* bytes);
void SealTable(std::string* bytes);

}  // namespace nori

#endif  // NORI_TESTS_FUZZ_FUZZ_H_
