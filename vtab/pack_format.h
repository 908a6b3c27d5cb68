// How the content of a nori table is kept in the rows of an ordinary one.
//
// The table's entries, those of its indexes too, in the order of their keys and
// without the table's own prefix, are one stream: length, key, length, value of
// each. The stream is cut into parts of 1 MiB; each part is a block as table
// files have them, compressed and with a checksum that knows its number. A
// header tells how many there are, so that none can be missing or be another
// pack's.

#ifndef NORI_VTAB_PACK_FORMAT_H_
#define NORI_VTAB_PACK_FORMAT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/sstable/table_format.h"

namespace nori {

struct PackHeader {
  uint64_t parts = 0;
  uint64_t entries = 0;
  uint64_t checksum = 0;  // over the checksums of all parts
  std::string options;    // of the engine, as arguments of CREATE
  std::string indexes;    // see index_state.h
};

// `definition`: the arguments of the table, which the header's checksum covers.
std::string EncodePackHeader(const PackHeader& header,
                             std::string_view definition);
// kDataLoss if it is damaged, or is another definition's.
absl::StatusOr<PackHeader> DecodePackHeader(std::string_view bytes,
                                            std::string_view definition);

// Makes the parts. Uses memory for a few of them and one entry. Not
// thread-safe.
class PackWriter {
 public:
  using Sink = std::function<absl::Status(std::string_view part)>;
  explicit PackWriter(Sink sink);

  absl::Status Add(std::string_view key, std::string_view value);
  // To be called last. Sets the counts and the checksum of *header.
  absl::Status Finish(PackHeader* header);

 private:
  absl::Status Write(std::string_view raw);

  const Sink sink_;
  BlockCompressor compressor_;
  std::string stream_;
  PackHeader header_;
};

// Reads them in order. Not thread-safe.
class PackReader {
 public:
  explicit PackReader(const PackHeader& header) : header_(header) {}

  // kDataLoss if it is not the next part.
  absl::Status Add(std::string_view part);
  // Takes the next entry that is complete, if any; views are valid until the
  // next Add. kDataLoss if keys do not ascend.
  absl::StatusOr<bool> Next(std::string_view* key, std::string_view* value);
  // kDataLoss unless that was all of it.
  absl::Status Finish() const;

 private:
  const PackHeader header_;
  Buffer raw_;
  std::string stream_;
  size_t taken_ = 0;  // bytes of stream_
  std::string last_key_;
  uint64_t parts_ = 0;
  uint64_t entries_ = 0;
  uint64_t checksum_ = 0;
};

}  // namespace nori

#endif  // NORI_VTAB_PACK_FORMAT_H_
