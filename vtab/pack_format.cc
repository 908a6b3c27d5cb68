#include "vtab/pack_format.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

constexpr std::string_view kMagic = "noripack";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kPartBytes = size_t{1} << 20;
constexpr size_t kChecksumBytes = 8;

absl::Status Damaged(const char* what) {
  return absl::DataLossError(absl::StrCat("the pack is damaged: ", what));
}

}  // namespace

std::string EncodePackHeader(const PackHeader& header,
                             std::string_view definition) {
  std::string bytes(kMagic);
  PutFixed32(&bytes, kFormatVersion);
  PutFixed64(&bytes, header.parts);
  PutFixed64(&bytes, header.entries);
  PutFixed64(&bytes, header.checksum);
  PutLengthPrefixed(&bytes, header.options);
  PutLengthPrefixed(&bytes, header.indexes);
  PutFixed64(&bytes, Checksum(bytes, Checksum(definition)));
  return bytes;
}

absl::StatusOr<PackHeader> DecodePackHeader(std::string_view bytes,
                                            std::string_view definition) {
  if (!bytes.starts_with(kMagic) || bytes.size() < kChecksumBytes) {
    return Damaged("its first part is no header");
  }
  std::string_view end = bytes.substr(bytes.size() - kChecksumBytes);
  std::string_view rest = bytes.substr(0, bytes.size() - kChecksumBytes);
  uint64_t checksum;
  uint32_t version;
  PackHeader header;
  std::string_view options;
  std::string_view indexes;
  if (!GetFixed64(&end, &checksum) ||
      checksum != Checksum(rest, Checksum(definition))) {
    return Damaged("its header does not fit its checksum");
  }
  rest.remove_prefix(kMagic.size());
  if (!GetFixed32(&rest, &version)) return Damaged("its header is short");
  if (version != kFormatVersion) {
    return absl::DataLossError(absl::StrCat("the pack has format ", version,
                                            ", this build reads ",
                                            kFormatVersion));
  }
  if (!GetFixed64(&rest, &header.parts) ||
      !GetFixed64(&rest, &header.entries) ||
      !GetFixed64(&rest, &header.checksum) ||
      !GetLengthPrefixed(&rest, &options) ||
      !GetLengthPrefixed(&rest, &indexes)) {
    return Damaged("its header is short");
  }
  header.options = options;
  header.indexes = indexes;
  return header;
}

PackWriter::PackWriter(Sink sink)
    : sink_(std::move(sink)), compressor_(Compression::kLz4) {}

absl::Status PackWriter::Add(std::string_view key, std::string_view value) {
  PutLengthPrefixed(&stream_, key);
  PutLengthPrefixed(&stream_, value);
  ++header_.entries;
  size_t written = 0;
  for (; stream_.size() - written >= kPartBytes; written += kPartBytes) {
    NORI_RETURN_IF_ERROR(
        Write(std::string_view(stream_).substr(written, kPartBytes)));
  }
  stream_.erase(0, written);
  return absl::OkStatus();
}

absl::Status PackWriter::Write(std::string_view raw) {
  Compression used;
  std::string part(compressor_.Compress(raw, &used));
  char trailer[kBlockTrailerBytes];
  EncodeBlockTrailer(part, used, header_.parts++, trailer);
  part.append(trailer, sizeof(trailer));
  header_.checksum = Checksum(part, header_.checksum);
  return sink_(part);
}

absl::Status PackWriter::Finish(PackHeader* header) {
  if (!stream_.empty()) NORI_RETURN_IF_ERROR(Write(stream_));
  stream_.clear();
  header->parts = header_.parts;
  header->entries = header_.entries;
  header->checksum = header_.checksum;
  return absl::OkStatus();
}

absl::Status PackReader::Add(std::string_view part) {
  Compression used;
  if (part.size() < kBlockTrailerBytes || !VerifyBlock(part, parts_, &used)) {
    return Damaged("a part does not fit its checksum");
  }
  checksum_ = Checksum(part, checksum_);
  ++parts_;
  part.remove_suffix(kBlockTrailerBytes);
  stream_.erase(0, taken_);
  taken_ = 0;
  if (used == Compression::kNone) {
    stream_.append(part);
    return absl::OkStatus();
  }
  if (!DecompressBlock(part, used, &raw_)) {
    return Damaged("a part cannot be decompressed");
  }
  stream_.append(raw_.view());
  return absl::OkStatus();
}

absl::StatusOr<bool> PackReader::Next(std::string_view* key,
                                      std::string_view* value) {
  std::string_view rest = std::string_view(stream_).substr(taken_);
  if (!GetLengthPrefixed(&rest, key) || !GetLengthPrefixed(&rest, value)) {
    return false;  // the rest of it is in the next part
  }
  if (entries_ > 0 && *key <= last_key_) {
    return Damaged("its entries are not in order");
  }
  last_key_ = *key;
  ++entries_;
  taken_ = stream_.size() - rest.size();
  return true;
}

absl::Status PackReader::Finish() const {
  if (parts_ != header_.parts || entries_ != header_.entries ||
      checksum_ != header_.checksum || taken_ != stream_.size()) {
    return Damaged("parts are missing, or are another pack's");
  }
  return absl::OkStatus();
}

}  // namespace nori
