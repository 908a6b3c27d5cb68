#include "sqlite_vfs/page_patch.h"

#include <algorithm>
#include <cstring>

#include "engine/format/coding.h"

namespace nori {
namespace {

// Equal bytes between two pieces that cost less than a piece of their own.
constexpr size_t kShortGap = 4;

// The first place from `at` on where the two differ, or their size.
size_t FirstDifference(std::string_view a, std::string_view b, size_t at) {
  constexpr size_t kStep = 64;
  while (at + kStep <= a.size() &&
         std::memcmp(a.data() + at, b.data() + at, kStep) == 0) {
    at += kStep;
  }
  while (at < a.size() && a[at] == b[at]) ++at;
  return at;
}

// The end of the piece that begins at `at`.
size_t PieceEnd(std::string_view a, std::string_view b, size_t at) {
  size_t end = at + 1;
  for (size_t i = end; i < a.size() && i - end < kShortGap; ++i) {
    if (a[i] != b[i]) end = i + 1;
  }
  return end;
}

}  // namespace

std::optional<std::string> MakePatch(std::string_view base,
                                     std::string_view page, uint64_t spent,
                                     size_t limit) {
  std::string patch;
  PutVarint(&patch, spent);
  size_t last = 0;
  for (size_t at = FirstDifference(base, page, 0); at < base.size();
       at = FirstDifference(base, page, last)) {
    const size_t end = PieceEnd(base, page, at);
    PutVarint(&patch, at - last);
    PutVarint(&patch, end - at);
    patch.append(page.substr(at, end - at));
    if (patch.size() > limit) return std::nullopt;
    last = end;
  }
  return patch;
}

uint64_t PatchBytesSpent(std::string_view patch) {
  std::string_view rest = patch;
  uint64_t before = 0;
  return GetVarint(&rest, &before) ? before + patch.size() : patch.size();
}

bool ApplyPatch(std::string_view patch, size_t at, size_t size, char* buffer) {
  uint64_t spent = 0;
  if (!GetVarint(&patch, &spent)) return false;
  uint64_t place = 0;
  while (!patch.empty()) {
    uint64_t distance = 0, length = 0;
    if (!GetVarint(&patch, &distance) || !GetVarint(&patch, &length) ||
        length > patch.size()) {
      return false;
    }
    place += distance;
    const uint64_t begin = std::max<uint64_t>(place, at);
    const uint64_t end = std::min<uint64_t>(place + length, at + size);
    if (begin < end) {
      std::memcpy(buffer + (begin - at), patch.data() + (begin - place),
                  end - begin);
    }
    patch.remove_prefix(length);
    place += length;
  }
  return true;
}

}  // namespace nori
