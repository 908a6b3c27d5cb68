#include "engine/options.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <numeric>
#include <system_error>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Abseil here has a string_view of its own.
absl::string_view Absl(std::string_view s) { return {s.data(), s.size()}; }

constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint64_t kTiB = uint64_t{1} << 40;

// One kind of setting each: the member, and what it may be.
struct Size {  // bytes
  uint64_t Options::*member;
  uint64_t low, high;
};
struct Count {
  uint64_t Options::*member;
  uint64_t low, high;
};
struct Integer {
  int Options::*member;
  int low, high;
};
struct Real {
  double Options::*member;
  double low, high;
};
struct Choice {
  std::string Options::*member;
  const char* allowed;  // separated by '|'
};
struct CompressionChoice {
  Compression Options::*member;
};

struct Setting {
  const char* name;
  const char* help;  // the range is added
  std::variant<Size, Count, Integer, Real, Choice, CompressionChoice> kind;
};

// In the order of Compression's values.
constexpr char kCompressions[] = "none|lz4|zstd";

constexpr Setting kSettings[] = {
    {"memtable_bytes", "size at which a memtable is flushed",
     Size{&Options::memtable_bytes, 4 * kKiB, 16 * kGiB}},
    {"max_immutable_memtables", "full memtables that may wait for the flusher",
     Integer{&Options::max_immutable_memtables, 1, 64}},
    {"block_cache_bytes", "memory for cached blocks; 0: none",
     Size{&Options::block_cache_bytes, 0, kTiB}},
    {"block_bytes", "target size of a block before compression",
     Size{&Options::block_bytes, 256, 4 * kMiB}},
    {"compression", "of new tables", CompressionChoice{&Options::compression}},
    {"cold_compression",
     "of the oldest run of slots that are little used, unless compression is "
     "none",
     CompressionChoice{&Options::cold_compression}},
    {"filter_bits_per_key", "mean size of table filters in bits; 0: no filters",
     Real{&Options::filter_bits_per_key, 0, 64}},
    {"table_bytes", "target size of a compacted table",
     Size{&Options::table_bytes, 4 * kKiB, 16 * kGiB}},
    {"slot_bytes", "size above which a slot is split",
     Size{&Options::slot_bytes, 4 * kKiB, kTiB}},
    {"max_slots",
     "slots that may be; from a quarter of them on slot_bytes grows with the "
     "data",
     Integer{&Options::max_slots, 1, 1000000}},
    {"max_runs",
     "sorted runs that a slot may have (K) where reads do not matter",
     Integer{&Options::max_runs, 1, 64}},
    {"space_amplification",
     "bytes of tables per live byte, snapshots aside, that are kept to",
     Real{&Options::space_amplification, 1.05, 100}},
    {"l0_trigger", "L0 tables that start compaction",
     Integer{&Options::l0_trigger, 1, 1000}},
    {"l0_soft_limit", "L0 tables above which writers are slowed",
     Integer{&Options::l0_soft_limit, 1, 1000}},
    {"l0_hard_limit", "L0 tables at which writers wait",
     Integer{&Options::l0_hard_limit, 2, 1000}},
    {"memory_limit_bytes", "memory above which writers are slowed",
     Size{&Options::memory_limit_bytes, kMiB, 16 * kTiB}},
    {"transaction_spill_bytes", "size at which a transaction goes to disk",
     Size{&Options::transaction_spill_bytes, 4 * kKiB, 16 * kGiB}},
    {"compaction_threads", "threads that compact",
     Integer{&Options::compaction_threads, 1, 64}},
    {"sync_interval_ms",
     "milliseconds between background syncs of the log, with synchronous = "
     "NORMAL",
     Count{&Options::sync_interval_ms, 1, 3600 * 1000}},
    {"stall_timeout_ms",
     "milliseconds after which a writer in pressure zone red gives up",
     Count{&Options::stall_timeout_ms, 0, 24 * 3600 * 1000}},
    {"run_policy", "how slots get their K",
     Choice{&Options::run_policy, "heat|cost|documented|fixed1|fixed4"}},
    {"scheduler", "how slots are chosen for compaction",
     Choice{&Options::scheduler, "bandit|greedy|round_robin"}},
    {"bandit_epsilon", "share of compactions that explore",
     Real{&Options::bandit_epsilon, 0, 1}},
    {"bandit_c", "weight of uncertainty in the bandit's choice",
     Real{&Options::bandit_c, 0, 100}},
    {"heat_half_life_s", "seconds in which a slot's heat halves",
     Real{&Options::heat_half_life_s, 0.1, 1e6}},
};

// ---- Text of values ----

std::string SizeText(uint64_t bytes) {
  struct Unit {
    uint64_t bytes;
    const char* name;
  };
  for (const Unit& unit : {Unit{kTiB, "TiB"}, Unit{kGiB, "GiB"},
                           Unit{kMiB, "MiB"}, Unit{kKiB, "KiB"}}) {
    if (bytes >= unit.bytes && bytes % unit.bytes == 0) {
      return absl::StrCat(bytes / unit.bytes, unit.name);
    }
  }
  return absl::StrCat(bytes);
}

std::string RealText(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

// What is allowed, for help and messages.
struct AllowedText {
  std::string operator()(const Size& s) const {
    return absl::StrCat("bytes, ", SizeText(s.low), " to ", SizeText(s.high));
  }
  std::string operator()(const Count& s) const {
    return absl::StrCat("an integer, ", s.low, " to ", s.high);
  }
  std::string operator()(const Integer& s) const {
    return absl::StrCat("an integer, ", s.low, " to ", s.high);
  }
  std::string operator()(const Real& s) const {
    return absl::StrCat("a number, ", RealText(s.low), " to ",
                        RealText(s.high));
  }
  std::string operator()(const Choice& s) const {
    return absl::StrCat("one of ",
                        absl::StrJoin(absl::StrSplit(s.allowed, '|'), ", "));
  }
  std::string operator()(const CompressionChoice&) const {
    return (*this)(Choice{nullptr, kCompressions});
  }
};

struct ValueText {
  const Options& options;
  std::string operator()(const Size& s) const {
    return absl::StrCat(options.*s.member);
  }
  std::string operator()(const Count& s) const {
    return absl::StrCat(options.*s.member);
  }
  std::string operator()(const Integer& s) const {
    return absl::StrCat(options.*s.member);
  }
  std::string operator()(const Real& s) const {
    return RealText(options.*s.member);
  }
  std::string operator()(const Choice& s) const { return options.*s.member; }
  std::string operator()(const CompressionChoice& s) const {
    const std::vector<std::string> names = absl::StrSplit(kCompressions, '|');
    const size_t i = static_cast<size_t>(options.*s.member);
    return i < names.size() ? names[i] : absl::StrCat("?", i);
  }
};

// ---- Parsing ----

// Bytes with an optional unit; false if it is neither or does not fit.
bool ParseSize(absl::string_view text, uint64_t* bytes) {
  const size_t digits =
      std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t number = 0;
  const auto parsed =
      std::from_chars(text.data(), text.data() + digits, number);
  if (digits == 0 || parsed.ec != std::errc()) return false;
  const std::string unit =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(text.substr(digits)));
  uint64_t factor = 1;
  if (!unit.empty() && unit != "b") {
    const size_t power = absl::string_view("kmg").find(unit[0]);
    if (power == absl::string_view::npos) return false;
    const absl::string_view rest = absl::string_view(unit).substr(1);
    if (!rest.empty() && rest != "ib" && rest != "b") return false;
    const uint64_t base = rest == "b" ? 1000 : 1024;
    for (size_t i = 0; i <= power; ++i) factor *= base;
  }
  return !__builtin_mul_overflow(number, factor, bytes);
}

// Each returns false if the text does not parse or is out of range, and then
// changes nothing.
struct Parse {
  Options* options;
  absl::string_view text;

  template <typename S, typename T>
  bool Store(const S& s, T value) const {
    if (!(value >= s.low && value <= s.high)) return false;  // NaN too
    options->*s.member = value;
    return true;
  }
  bool operator()(const Size& s) const {
    uint64_t value = 0;
    return ParseSize(text, &value) && Store(s, value);
  }
  bool operator()(const Count& s) const {
    uint64_t value = 0;
    return absl::SimpleAtoi(text, &value) && Store(s, value);
  }
  bool operator()(const Integer& s) const {
    int value = 0;
    return absl::SimpleAtoi(text, &value) && Store(s, value);
  }
  bool operator()(const Real& s) const {
    double value = 0;
    return absl::SimpleAtod(text, &value) && Store(s, value);
  }
  bool operator()(const Choice& s) const {
    for (absl::string_view name : absl::StrSplit(s.allowed, '|')) {
      if (absl::EqualsIgnoreCase(name, text)) {
        options->*s.member = std::string(name);
        return true;
      }
    }
    return false;
  }
  bool operator()(const CompressionChoice& s) const {
    uint8_t i = 0;
    for (absl::string_view name : absl::StrSplit(kCompressions, '|')) {
      if (absl::EqualsIgnoreCase(name, text)) {
        options->*s.member = static_cast<Compression>(i);
        return true;
      }
      ++i;
    }
    return false;
  }
};

// ---- Names ----

// Levenshtein's distance.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

absl::Status UnknownOption(absl::string_view name) {
  const std::string lower = absl::AsciiStrToLower(name);
  const auto nearest = std::min_element(
      std::begin(kSettings), std::end(kSettings),
      [&](const Setting& a, const Setting& b) {
        return EditDistance(lower, a.name) < EditDistance(lower, b.name);
      });
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown option '", name, "'; did you mean '", nearest->name, "'?"));
}

const Setting* FindSetting(absl::string_view name) {
  for (const Setting& setting : kSettings) {
    if (absl::EqualsIgnoreCase(setting.name, name)) return &setting;
  }
  return nullptr;
}

absl::Status BadValue(const Setting& setting, absl::string_view value) {
  return absl::InvalidArgumentError(absl::StrCat(
      "option ", setting.name, ": '", value, "' is not allowed; expected ",
      std::visit(AllowedText{}, setting.kind)));
}

// kInvalidArgument unless low <= high.
template <typename T>
absl::Status CheckOrder(const char* low_name, T low, const char* high_name,
                        T high) {
  if (low <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("option ", low_name, " (", low,
                                                 ") must not exceed ",
                                                 high_name, " (", high, ")"));
}

absl::Status CheckRelations(const Options& o) {
  NORI_RETURN_IF_ERROR(
      CheckOrder("l0_trigger", o.l0_trigger, "l0_soft_limit", o.l0_soft_limit));
  NORI_RETURN_IF_ERROR(CheckOrder("l0_soft_limit + 1", o.l0_soft_limit + 1,
                                  "l0_hard_limit", o.l0_hard_limit));
  NORI_RETURN_IF_ERROR(
      CheckOrder("block_bytes", o.block_bytes, "table_bytes", o.table_bytes));
  NORI_RETURN_IF_ERROR(
      CheckOrder("table_bytes", o.table_bytes, "slot_bytes", o.slot_bytes));
  // Else the memtables alone would hold writers back for ever.
  return CheckOrder(
      "memtable_bytes * (1 + max_immutable_memtables)",
      o.memtable_bytes * (1 + static_cast<uint64_t>(o.max_immutable_memtables)),
      "memory_limit_bytes", o.memory_limit_bytes);
}

}  // namespace

std::vector<OptionInfo> OptionInfos() {
  std::vector<OptionInfo> infos;
  infos.reserve(std::size(kSettings));
  for (const Setting& setting : kSettings) {
    infos.push_back(
        {setting.name,
         absl::StrCat(setting.help, " (",
                      std::visit(AllowedText{}, setting.kind), ")")});
  }
  return infos;
}

absl::Status SetOption(Options* options, std::string_view name,
                       std::string_view value) {
  const Setting* setting = FindSetting(Absl(name));
  if (setting == nullptr) return UnknownOption(Absl(name));
  const absl::string_view text = absl::StripAsciiWhitespace(Absl(value));
  if (!std::visit(Parse{options, text}, setting->kind)) {
    return BadValue(*setting, Absl(value));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> GetOption(const Options& options,
                                      std::string_view name) {
  const Setting* setting = FindSetting(Absl(name));
  if (setting == nullptr) return UnknownOption(Absl(name));
  return std::visit(ValueText{options}, setting->kind);
}

absl::Status ValidateOptions(const Options& options) {
  if (options.file_system == nullptr || options.clock == nullptr) {
    return absl::InvalidArgumentError(
        "options file_system and clock must not be null");
  }
  for (const Setting& setting : kSettings) {
    // The canonical text is taken back exactly if the value is in range.
    const std::string text = std::visit(ValueText{options}, setting.kind);
    Options scratch;
    if (!std::visit(Parse{&scratch, text}, setting.kind)) {
      return BadValue(setting, text);
    }
  }
  return CheckRelations(options);
}

}  // namespace nori
