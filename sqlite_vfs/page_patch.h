// What has changed in a page since it was last stored whole.
//
// Most commits change a few bytes of each page that they write, the first page
// among them for its counters alone. A patch of those bytes is a fraction of
// what the log, the memtable, the flush and every later merge would have to
// take of the whole page.
//
// Encoding: `spent` varint, then for each piece its distance from the end of
// the one before and its length, varints, and its bytes.

#ifndef NORI_SQLITE_VFS_PAGE_PATCH_H_
#define NORI_SQLITE_VFS_PAGE_PATCH_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nori {

// The patch that makes `page` of `base`, which has the same size, in at most
// `limit` bytes; nullopt if it takes more. `spent`: bytes of the patches to the
// same base that this one comes after.
std::optional<std::string> MakePatch(std::string_view base,
                                     std::string_view page, uint64_t spent,
                                     size_t limit);
// Bytes of `patch` and of those that it came after.
uint64_t PatchBytesSpent(std::string_view patch);
// Puts into `buffer`, which holds bytes [at, at + size) of the base, those of
// the page. False: the patch is damaged.
bool ApplyPatch(std::string_view patch, size_t at, size_t size, char* buffer);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_PATCH_H_
