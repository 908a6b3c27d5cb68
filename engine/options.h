// Options of an engine, and options by name as SQL gives them.

#ifndef NORI_ENGINE_OPTIONS_H_
#define NORI_ENGINE_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/clock.h"
#include "engine/io/file_system.h"
#include "engine/observe/events.h"
#include "engine/sstable/table.h"

namespace nori {

// How far a commit is on its way to the disk when it is acknowledged. Matches
// PRAGMA synchronous: OFF, NORMAL, FULL and EXTRA.
enum class Durability : uint8_t {
  kNone,      // survives the process, not the machine
  kPeriodic,  // synced in the background, at least every sync_interval
  kSync,      // synced before success is returned
};

enum class BackgroundMode : uint8_t {
  kThreads,  // flush and compaction threads of the engine's own
  kManual,   // nothing runs until Engine::RunBackgroundWork; a writer that must
             // wait runs it itself: deterministic, for tests
};

struct Options {
  // Injected; never owned.
  FileSystem* file_system = PosixFileSystem();
  Clock* clock = SystemClock();
  uint64_t seed = 0x6e6f7269;  // of every random choice
  BackgroundMode background = BackgroundMode::kThreads;
  std::function<void(const Event&)> event_listener;

  // So many deleted keys in a row make a scan remember the stretch (see
  // engine/iterators/dead_ranges.h). Tests take fewer.
  int dead_run_keys = 16;

  bool create_if_missing = true;
  bool error_if_exists = false;
  // Where an engine exists, the options that were stored with it override the
  // settable ones below.
  bool prefer_stored_options = false;

  // Persisted with the engine; settable by name (see OptionInfos).
  uint64_t memtable_bytes = uint64_t{64} << 20;
  int max_immutable_memtables = 2;
  uint64_t block_cache_bytes = uint64_t{64} << 20;
  uint64_t block_bytes = 4096;
  Compression compression = Compression::kLz4;
  Compression cold_compression = Compression::kZstd;  // of the oldest runs of
                                                      // cold slots
  double filter_bits_per_key = 10;                    // the mean over all runs
  uint64_t table_bytes = uint64_t{16}
                         << 20;              // target size of a compacted table
  uint64_t slot_bytes = uint64_t{64} << 20;  // a slot splits above this
  int max_slots = 2048;  // above a quarter of it slots grow with the data
  int max_runs = 8;      // K of a slot that is only written
  double space_amplification = 1.3;  // table bytes per live byte, at most
  int l0_trigger = 4;                // L0 tables that start compaction
  int l0_soft_limit = 8;             // writers are slowed above
  int l0_hard_limit = 16;            // writers wait above
  uint64_t memory_limit_bytes = uint64_t{512} << 20;
  uint64_t transaction_spill_bytes = uint64_t{64} << 20;
  int compaction_threads = 1;
  uint64_t sync_interval_ms = 1000;   // for Durability::kPeriodic
  uint64_t stall_timeout_ms = 30000;  // a writer in zone red gives up
  // heat | cost | documented | fixed1 | fixed4
  std::string run_policy = "cost";
  std::string scheduler = "bandit";  // bandit | greedy | round_robin
  double bandit_epsilon = 0.1;
  double bandit_c = 2.0;
  double heat_half_life_s = 60;
};

// One settable option.
struct OptionInfo {
  std::string name;
  std::string help;  // one line, with unit and range
};
// Every settable option, in the order of the members.
std::vector<OptionInfo> OptionInfos();

// Sets one option from text ("64MiB", "4096", "lz4", "0.1"). Names and texts
// are taken in any case. Sizes are whole bytes, or whole numbers of K, KiB, M,
// MiB, G, GiB (powers of 1024) or KB, MB, GB (powers of 1000). kInvalidArgument
// naming the option, the value and what is allowed, if the name is unknown
// (then with the nearest name there is), the text does not parse or the value
// is out of range; *options is unchanged then. Relations between options are
// left to ValidateOptions, so that several can be set in any order.
absl::Status SetOption(Options* options, std::string_view name,
                       std::string_view value);
// The canonical text of a settable option: sizes in plain bytes, numbers in the
// shortest form that reads back the same. SetOption takes it back.
// kInvalidArgument if unknown.
absl::StatusOr<std::string> GetOption(const Options& options,
                                      std::string_view name);
// Checks every range and every relation between options. kInvalidArgument with
// the first that does not hold.
absl::Status ValidateOptions(const Options& options);

}  // namespace nori

#endif  // NORI_ENGINE_OPTIONS_H_
