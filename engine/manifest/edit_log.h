// The bytes of a manifest file: a header, then framed records.
//
//   header   magic (8), format version u32, zero u32, file number u64,
//            checksum u64 of the 24 bytes before
//   record   payload length u32, checksum u32 of the length, checksum u64 of
//            the payload, payload
//
// The checksums of a record are seeded with file number and offset. The length
// has one of its own, so that a damaged record whose length is known good tells
// whether anything was written after it. The header's layout is the same in
// every format version.

#ifndef NORI_ENGINE_MANIFEST_EDIT_LOG_H_
#define NORI_ENGINE_MANIFEST_EDIT_LOG_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nori {

inline constexpr size_t kEditLogHeaderBytes = 32;
inline constexpr size_t kEditRecordHeaderBytes = 16;

// The header of manifest file `number`.
std::string EditLogHeader(uint64_t number);

// Appends the record of `payload` as it stands at `offset` of file `number`.
// REQUIRES: payload is not empty and shorter than 4 GiB.
void AppendEditRecord(uint64_t number, uint64_t offset,
                      std::string_view payload, std::string* dst);

// Visits the payloads of a manifest file in order. `path` is for messages; an
// error of `visit` is returned as it is. Returns the bytes that were dropped at
// the end: a record that was being written when the machine stopped. A damaged
// record is taken for that only if it is not the first and nothing was written
// after it; else kDataLoss. kFailedPrecondition for a newer format.
absl::StatusOr<uint64_t> ReadEditLog(
    std::string_view contents, uint64_t number, const std::string& path,
    const std::function<absl::Status(std::string_view payload,
                                     uint64_t offset)>& visit);

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_EDIT_LOG_H_
