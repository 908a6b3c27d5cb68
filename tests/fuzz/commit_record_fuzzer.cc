// The payload of a log record: byte 0 is its type.

#include "engine/core/commit_record.h"
#include "tests/fuzz/fuzz.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

namespace {

void ReadChanges(std::string_view bytes) {
  const auto changes = NormaliseChanges(bytes);
  if (!changes.ok()) return;
  const Change* before = nullptr;
  for (const Change& change : *changes) {
    Touch(change.key);
    Touch(change.value);
    if (change.kind == EntryKind::kRangeDelete) {
      FuzzRequire(changes->size() == 1 || change.key < change.value,
                  "no range is empty");
      before = nullptr;
      continue;
    }
    FuzzRequire(before == nullptr || before->key < change.key,
                "point changes ascend");
    before = &change;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ExactBytes input({reinterpret_cast<const char*>(data) + 1, size - 1});
  const std::string_view body = input.view();
  switch (static_cast<RecordType>(data[0])) {
    case RecordType::kCommits: {
      SequenceNumber first = 0;
      std::vector<std::string_view> commits;
      if (!ParseCommits(body, &first, &commits).ok()) break;
      for (std::string_view changes : commits) ReadChanges(changes);
      break;
    }
    case RecordType::kPrepare: {
      const auto record = ParsePrepare(body);
      if (!record.ok()) break;
      ReadChanges(record->changes);
      const std::string header = EncodePrepareHeader(*record);
      const auto again = ParsePrepare(std::string_view(header).substr(1));
      FuzzRequire(again.ok() && again->tables.size() == record->tables.size(),
                  "what was parsed can be written and parsed again");
      break;
    }
    case RecordType::kOutcome: {
      const auto record = ParseOutcome(body);
      if (!record.ok()) break;
      FuzzRequire(EncodeOutcome(*record).substr(1) == body,
                  "an outcome is written in one way");
      break;
    }
    default:
      ReadChanges(body);
  }
  return 0;
}
