// The blocks of a database file as an engine's keys.

#ifndef NORI_SQLITE_VFS_PAGE_BLOCKS_H_
#define NORI_SQLITE_VFS_PAGE_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace nori {

// First byte of the keys of pages and of what belongs to them. Those of nori
// tables in the same engine begin with a smaller one, 0x80 or more.
inline constexpr char kPageKeyPrefix = '\xff';

// What a block may have.
inline constexpr uint32_t kSmallestBlock = 512;
inline constexpr uint32_t kLargestBlock = 65536;

// A length of the file, and how it is cut.
struct PageGeometry {
  uint64_t size = 0;   // bytes
  uint32_t block = 0;  // bytes; 0: nothing was written yet
  friend bool operator==(const PageGeometry&, const PageGeometry&) = default;
};

// One state of the engine, or a transaction: gives a key's value, as
// Engine::Get.
using PageSource =
    absl::FunctionRef<absl::StatusOr<bool>(std::string_view, PinnedValue*)>;

// kDataLoss if what is stored makes no sense.
absl::StatusOr<PageGeometry> ReadGeometry(PageSource source);
absl::Status WriteGeometry(const PageGeometry& geometry,
                           Transaction* transaction);

// Bytes [at, at + size) of a block of `block_bytes`; zeros if there is none.
absl::Status ReadBlock(PageSource source, uint32_t block_bytes, uint64_t number,
                       size_t at, size_t size, char* buffer);
// Stores `data`, a whole block: as a patch of what is there if that pays.
absl::Status WriteBlock(uint64_t number, std::string_view data,
                        Transaction* transaction);
// Deletes the blocks from `first` on.
absl::Status CutBlocks(uint64_t first, Transaction* transaction);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_BLOCKS_H_
