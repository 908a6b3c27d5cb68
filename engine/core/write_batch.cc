#include "engine/core/commit_record.h"
#include "engine/engine.h"

namespace nori {

void WriteBatch::Put(std::string_view key, std::string_view value) {
  EncodePut(&rep_, key, value);
  ++count_;
}

void WriteBatch::Delete(std::string_view key) {
  EncodeDelete(&rep_, key);
  ++count_;
}

void WriteBatch::DeleteRange(std::string_view begin, std::string_view end) {
  EncodeDeleteRange(&rep_, begin, end);
  ++count_;
}

void WriteBatch::Clear() {
  rep_.clear();
  count_ = 0;
}

absl::Status Engine::Put(const WriteOptions& options, std::string_view key,
                         std::string_view value) {
  WriteBatch batch;
  batch.Put(key, value);
  return Write(options, batch);
}

absl::Status Engine::Delete(const WriteOptions& options, std::string_view key) {
  WriteBatch batch;
  batch.Delete(key);
  return Write(options, batch);
}

absl::Status Engine::DeleteRange(const WriteOptions& options,
                                 std::string_view begin, std::string_view end) {
  WriteBatch batch;
  batch.DeleteRange(begin, end);
  return Write(options, batch);
}

}  // namespace nori
