// What to compact: heat per slot, K per slot, and the choice among slots.
//
// All of it is plain data in, decision out, so that a simulation can drive the
// same code as the engine.

#ifndef NORI_ENGINE_COMPACTION_POLICY_H_
#define NORI_ENGINE_COMPACTION_POLICY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/compaction/costs.h"
#include "engine/io/clock.h"
#include "engine/options.h"
#include "engine/pressure/pressure.h"

namespace nori {

// What a policy sees of a slot. Runs are newest first; L0 slices of the slot
// come before runs and count as runs that were not adopted yet.
struct SlotView {
  uint64_t id = 0;
  std::vector<uint64_t>
      l0_bytes;  // one per L0 table with data here, newest first
  // For each of l0_bytes, its table's place in Version::l0() (0: newest). Since
  // every L0 table has data in some slot, all views together tell how many
  // there are and which slots keep the oldest alive. Empty: 0, 1, 2, ...
  std::vector<int> l0_positions;
  std::vector<uint64_t> run_bytes;  // newest first
  uint64_t deletions = 0;           // point and range tombstones, estimate
  uint64_t entries = 0;
  uint64_t skipped = 0;  // deleted keys that scans have stepped over here
                         // since all was merged
  int max_runs = 4;      // K in force
  double heat = 0;       // normalised, 0..1
  double read_rate = 0, write_rate = 0, scan_rate = 0;  // per second
  bool busy = false;                                    // a job has its lock
  double arriving_bytes = 0;  // with each flush, of late
  double flush_rate = 0;      // flushes per second, of late
  Costs costs;                // engine-wide, as measured of late
  // Of the entries above the oldest run, the part that hides an older entry, as
  // merges of late found it. 1: all, as with overwrites; 0: none, as with new
  // keys.
  double overlap = 0;
  // Bytes on disk that no slice needs any more but that are in tables of this
  // slot's slices, split evenly among all slices of their table: of each run
  // (empty: none), and of the L0 slices together.
  std::vector<uint64_t> run_pinned;
  uint64_t l0_pinned = 0;
  bool merge_for_join = false;  // could be joined if it were one run
  bool l0_overlaps_first_run =
      true;  // false: L0 data extends run 1 without copying
};

// Adopt L0's slices and merge a newest-first prefix of the result.
struct CompactionChoice {
  uint64_t slot_id = 0;
  int runs_to_merge = 0;  // how many of slot.runs, newest first, are merged
                          // together with all L0 slices; 0 and no merge of L0
                          // slices among themselves: adopt only
  bool merge_l0 = true;   // false: L0 slices become runs as they are
  bool explored = false;  // the bandit tried rather than knew
  double score = 0;
  const char* reason = "";  // "runs", "l0", "tombstones", "space", "join",
                            // "pressure", "manual"
};

// Decides K from heat and rates. Keeps no state: the K in force, which the
// hysteresis needs, is part of the view. Thread-safe.
//
// `heat`: K = 1 + floor((1 - t) * K_max), at most K_max (options.max_runs),
// with t = heat * read share. Four things differ from the published formula:
// every K has an equal part of [0, 1], so that K_max is reached by cold slots
// and not by h = 0 alone; heat is relative to the other slots; a change needs t
// to pass the step by a fifth of a part, so that noise does not flip K; and
// only heat that comes from reads lowers K, since a slot that is hot by writes
// alone would pay the most for merging and gain nothing. Read share =
// R / (R + W / 2), R = reads + 2 * scans.
//
// `documented`: K = 1 + floor((1 - heat) * (K_max - 1)), as published.
//
// `cost`: the K with the least work per second,
//   arriving bytes * flush rate * merges per byte(K) * cost of merging a byte
//   + (reads * cost for a point read + scans * cost for a scan) * (K - 1)
// where the costs are those of an extra run as measured (Costs; filters make
// point reads cheap, scans never are), and merges per byte is MergesPerByte of
// the slot's bytes over what a flush brings. So K ends at K_max where there are
// only writes, and at 1 where there are only reads. A K below the runs that the
// slot has must also earn back, within four half-lives of heat, the merge that
// it asks for. A change must save a tenth.
//
// `fixed1`, `fixed4`: 1 and 4 for every slot.
class RunPolicy {
 public:
  virtual ~RunPolicy() = default;
  virtual int MaxRuns(const SlotView& slot) = 0;  // at least 1
  virtual const char* name() const = 0;           // as in options.run_policy
};

// Chooses among slots with work. Learns from rewards. Not thread-safe.
//
// A slot has work if its L0 slices and runs together exceed K; if there are
// options.l0_trigger L0 tables or more and it holds a part of one; if more than
// a quarter of its entries are tombstones, or scans have spent as much time on
// stepping over deleted keys as a merge would take; if the engine nears the
// limit of space amplification and the slot could give something back; or if it
// could be joined with a neighbour once it is one run (see compaction/picker.h
// for what is then merged). Adoptions copy nothing and come first. Above every
// scheduler stands a safety rule that picks by itself, the most relief per byte
// first: L0 near its limits (only slots that hold the oldest L0 table, since a
// table goes only with its last slice); runs beyond a hard bound; space near
// its limit (the most bytes given back per byte written); pressure orange or
// red; more than half of the entries tombstones, or scans that lose time on
// them.
//
// `bandit`: with probability epsilon any slot with work, else the one with the
// highest UCB1 index avg + c * sqrt(ln N / n) (Auer, Cesa-Bianchi and Fischer,
// 2002), slots never tried first. avg is an exponential average of rewards,
// weight 0.1, set by the first. Epsilon is options.bandit_epsilon in green,
// half of it in yellow; from orange on the safety rule leaves nothing to
// explore. `greedy`: the most reads saved per byte, from what the views say.
// `round_robin`: by slot id in a circle.
class Scheduler {
 public:
  virtual ~Scheduler() = default;
  // Nothing if no slot that is not busy has work. Give all slots of the
  // version. `score` of the result: the index by which the scheduler chose.
  virtual std::optional<CompactionChoice> Pick(
      const std::vector<SlotView>& slots, PressureZone zone) = 0;
  // Every slot that is due to take over its part of L0 as it is: one edit can
  // do them all. Pick would give them one by one.
  virtual std::vector<CompactionChoice> PickAdoptions(
      const std::vector<SlotView>& slots, PressureZone zone) = 0;
  // Tells what a finished choice brought; `runs_before` and `runs_after`
  // include L0 slices, `slot` is the view it was picked from. Returns the
  // reward in [0, 1]: reads saved per byte rewritten, relative to the best of
  // late. An adoption is no experiment: 0, and nothing is learned.
  virtual double Reward(const CompactionChoice& choice, int runs_before,
                        int runs_after, uint64_t bytes_rewritten,
                        const SlotView& slot) = 0;
  // A slot came into being, by a split or join from `parent_id` (0: none),
  // whose experience it inherits. Call before SlotRemoved(parent_id).
  virtual void SlotCreated(uint64_t id, uint64_t parent_id) = 0;
  virtual void SlotRemoved(uint64_t id) = 0;
  virtual const char* name() const = 0;  // as in options.scheduler
};

// By options.run_policy and options.scheduler; kInvalidArgument if unknown.
// Copies what it needs of the options. The bandit's randomness comes from
// options.seed.
absl::StatusOr<std::unique_ptr<RunPolicy>> MakeRunPolicy(
    const Options& options);
absl::StatusOr<std::unique_ptr<Scheduler>> MakeScheduler(
    const Options& options);

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_POLICY_H_
