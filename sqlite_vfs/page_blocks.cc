#include "sqlite_vfs/page_blocks.h"

#include <bit>
#include <cstring>
#include <optional>
#include <string>

#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/page_patch.h"

namespace nori {
namespace {

// Behind the prefix a kind and, for a block, the file's id (one file per engine
// so far) and the block's number.
constexpr char kGeometryKind = 'g';
constexpr char kBlockKind = 'p';
constexpr char kPatchKind = 'q';
constexpr char kFileId = 1;

std::string GeometryKey() { return {kPageKeyPrefix, kGeometryKind, kFileId}; }

std::string BlockKey(char kind, uint64_t number) {
  std::string key{kPageKeyPrefix, kind, kFileId};
  for (int shift = 56; shift >= 0; shift -= 8) {
    key.push_back(static_cast<char>(number >> shift));
  }
  return key;
}

bool IsZero(std::string_view data) {
  return data.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

absl::StatusOr<PageGeometry> ReadGeometry(PageSource source) {
  PinnedValue value;
  NORI_ASSIGN_OR_RETURN(const bool found, source(GeometryKey(), &value));
  PageGeometry geometry;
  if (!found) return geometry;
  std::string_view rest = value.view();
  if (!GetFixed64(&rest, &geometry.size) ||
      !GetFixed32(&rest, &geometry.block) || !rest.empty() ||
      (geometry.size != 0 &&
       (!std::has_single_bit(geometry.block) ||
        geometry.block < kSmallestBlock || geometry.block > kLargestBlock))) {
    return absl::DataLossError("the length of the database is damaged");
  }
  return geometry;
}

absl::Status WriteGeometry(const PageGeometry& geometry,
                           Transaction* transaction) {
  std::string value;
  PutFixed64(&value, geometry.size);
  PutFixed32(&value, geometry.block);
  return transaction->Put(GeometryKey(), value);
}

absl::Status ReadBlock(PageSource source, uint32_t block_bytes, uint64_t number,
                       size_t at, size_t size, char* buffer) {
  PinnedValue value;
  NORI_ASSIGN_OR_RETURN(const bool found,
                        source(BlockKey(kBlockKind, number), &value));
  if (!found) {
    std::memset(buffer, 0, size);
    return absl::OkStatus();
  }
  if (value.view().size() != block_bytes) {
    return absl::DataLossError("a page has the wrong length");
  }
  std::memcpy(buffer, value.view().data() + at, size);
  NORI_ASSIGN_OR_RETURN(const bool patched,
                        source(BlockKey(kPatchKind, number), &value));
  if (patched && !ApplyPatch(value.view(), at, size, buffer)) {
    return absl::DataLossError("the patch of a page is damaged");
  }
  return absl::OkStatus();
}

absl::Status WriteBlock(uint64_t number, std::string_view data,
                        Transaction* transaction) {
  const std::string block_key = BlockKey(kBlockKind, number);
  const std::string patch_key = BlockKey(kPatchKind, number);
  PinnedValue base, old_patch;
  NORI_ASSIGN_OR_RETURN(const bool has_base,
                        transaction->Get(block_key, &base));
  if (!has_base) {
    if (IsZero(data)) return absl::OkStatus();
    return transaction->Put(block_key, data);
  }
  NORI_ASSIGN_OR_RETURN(const bool has_patch,
                        transaction->Get(patch_key, &old_patch));
  // Once patches have taken as much as the block would have, it is stored
  // whole: whatever comes, twice the least cost is not exceeded.
  const uint64_t spent = has_patch ? PatchBytesSpent(old_patch.view()) : 0;
  if (spent < data.size() && base.view().size() == data.size() &&
      !IsZero(data)) {
    const std::optional<std::string> patch =
        MakePatch(base.view(), data, spent, data.size() / 2);
    if (patch) return transaction->Put(patch_key, *patch);
  }
  if (has_patch) NORI_RETURN_IF_ERROR(transaction->Delete(patch_key));
  if (IsZero(data)) return transaction->Delete(block_key);
  return transaction->Put(block_key, data);
}

absl::Status CutBlocks(uint64_t first, Transaction* transaction) {
  for (const char kind : {kBlockKind, kPatchKind}) {
    NORI_RETURN_IF_ERROR(transaction->DeleteRange(BlockKey(kind, first),
                                                  BlockKey(kind, UINT64_MAX)));
  }
  return absl::OkStatus();
}

}  // namespace nori
