#include "vtab/last_scan.h"

#include "absl/strings/str_cat.h"

namespace nori {
namespace {

// A statement of more cursors and plans counts the rest together with the last.
constexpr size_t kMaxReports = 64;

void AppendText(std::string_view text, std::string* json) {
  json->push_back('"');
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      static constexpr char kHex[] = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      absl::StrAppend(json, "\\u00");
      json->push_back(kHex[byte >> 4]);
      json->push_back(kHex[byte & 15]);
      continue;
    }
    if (c == '"' || c == '\\') json->push_back('\\');
    json->push_back(c);
  }
  json->push_back('"');
}

void AppendNumber(const char* name, uint64_t value, std::string* json) {
  absl::StrAppend(json, ",\"", name, "\":", value);
}

}  // namespace

uint64_t LastScan::CursorOpened() {
  if (open_++ == 0) {
    used_ = 0;
    cursors_ = 0;
  }
  return ++cursors_;
}

ScanReport* LastScan::Find(const ScanReport& report) {
  for (size_t i = used_; i-- > 0;) {
    ScanReport& known = reports_[i];
    if (known.cursor == report.cursor && known.plan == report.plan) {
      return &known;
    }
  }
  return used_ == kMaxReports ? &reports_[used_ - 1] : nullptr;
}

void LastScan::Add(const ScanReport& report) {
  ScanReport* into = Find(report);
  if (into == nullptr) {
    if (used_ == reports_.size()) reports_.emplace_back();
    reports_[used_++] = report;
    return;
  }
  into->filters += report.filters;
  into->rows += report.rows;
  into->lookups += report.lookups;
  into->read.Add(report.read);
}

std::string LastScan::Json() const {
  std::string json = "[";
  for (size_t i = 0; i < used_; ++i) {
    const ScanReport& report = reports_[i];
    json += i == 0 ? "{\"table\":" : ",{\"table\":";
    AppendText(report.table, &json);
    json += ",\"plan\":";
    AppendText(report.plan, &json);
    AppendNumber("scans", report.filters, &json);
    AppendNumber("rows", report.rows, &json);
    AppendNumber("lookups", report.lookups, &json);
    AppendNumber("slots", report.read.slots, &json);
    AppendNumber("runs", report.read.runs, &json);
    AppendNumber("blocks", report.read.blocks_read, &json);
    AppendNumber("blocks_from_disk", report.read.blocks_missed, &json);
    AppendNumber("filters", report.read.filter_checks, &json);
    AppendNumber("filters_negative", report.read.filter_negatives, &json);
    json += "}";
  }
  return json + "]";
}

}  // namespace nori
