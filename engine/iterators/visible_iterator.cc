#include "engine/iterators/visible_iterator.h"

#include <utility>

#include "engine/iterators/version_cursor.h"

namespace nori {
namespace {

class VisibleIterator final : public Iterator {
 public:
  VisibleIterator(std::unique_ptr<EntryIterator> entries,
                  std::vector<TombstoneLayer> layers, SequenceNumber snapshot,
                  KeyRange bounds, std::shared_ptr<const void> keep_alive,
                  const SkipContext& skips)
      : keep_alive_(std::move(keep_alive)),
        cursor_(std::move(entries), std::move(layers), snapshot,
                SequenceIntervals(), std::move(bounds),
                VersionCursor::Deleted::kSkip, skips) {}

  bool Valid() const override { return cursor_.Valid(); }
  absl::Status status() const override { return cursor_.status(); }
  void SeekToFirst() override { cursor_.SeekToFirst(); }
  void SeekToLast() override { cursor_.SeekToLast(); }
  void Seek(std::string_view key) override { cursor_.Seek(key); }
  void SeekForPrev(std::string_view key) override { cursor_.SeekForPrev(key); }
  void Next() override { cursor_.Next(); }
  void Prev() override { cursor_.Prev(); }
  std::string_view key() const override { return cursor_.key(); }
  std::string_view value() const override { return cursor_.value(); }
  bool Narrow(std::string_view begin, std::string_view end) override {
    cursor_.Narrow(begin, end);
    return true;
  }

 private:
  // First, so that it goes last: the cursor's iterators read from it.
  const std::shared_ptr<const void> keep_alive_;
  VersionCursor cursor_;
};

}  // namespace

std::unique_ptr<Iterator> NewVisibleIterator(
    std::unique_ptr<EntryIterator> entries, std::vector<TombstoneLayer> layers,
    SequenceNumber snapshot, KeyRange bounds,
    std::shared_ptr<const void> keep_alive, const SkipContext& skips) {
  return std::make_unique<VisibleIterator>(
      std::move(entries), std::move(layers), snapshot, std::move(bounds),
      std::move(keep_alive), skips);
}

}  // namespace nori
