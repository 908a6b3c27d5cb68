// xBestIndex: which path into a table a query takes, which part of it the WHERE
// clause needs, and in which order.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "vtab/constraints.h"
#include "vtab/error_map.h"
#include "vtab/path_planner.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// A condition on the hidden column that names a snapshot.
struct SnapshotTerm {
  int number = -1;  // in aConstraint; -1: there is none
  bool is = false;  // IS, by which NULL matches the present
  bool usable = true;
};

SnapshotTerm FindSnapshotTerm(const TableSchema& schema,
                              const sqlite3_index_info& info) {
  for (int i = 0; i < info.nConstraint; ++i) {
    const auto& constraint = info.aConstraint[i];
    const bool is = constraint.op == SQLITE_INDEX_CONSTRAINT_IS;
    // SQLite compares a second one with the name of the first.
    if (constraint.iColumn == schema.snapshot_column() &&
        (is || constraint.op == SQLITE_INDEX_CONSTRAINT_EQ)) {
      return {i, is, constraint.usable != 0};
    }
  }
  return {};
}

void MeasureShares(VirtualTable* table, PlanContext* context) {
  for (const auto& path : table->paths()) {
    KnownShare share = MeasureShare(*context, *path);
    if (!share.constraints.empty()) context->shares.push_back(std::move(share));
  }
  std::stable_sort(context->shares.begin(), context->shares.end(),
                   [](const KnownShare& a, const KnownShare& b) {
                     return a.constraints.size() > b.constraints.size();
                   });
}

Candidate ChooseCandidate(const PlanContext& context, VirtualTable* table,
                          bool as_of) {
  std::optional<Candidate> best;
  for (const auto& path : table->paths()) {
    // An index may be younger than the snapshot.
    if (as_of && path->index != nullptr) continue;
    Candidate candidate = PlanPath(context, *path);
    if (!candidate.useful) continue;
    if (!best ||
        candidate.cost + candidate.sort_cost < best->cost + best->sort_cost) {
      best = std::move(candidate);
    }
  }
  return *std::move(best);  // the table itself is always there
}

// The text for EXPLAIN QUERY PLAN: with constant bounds, the slots that they
// touch.
std::string Explain(const Candidate& candidate, Engine* engine) {
  std::string text = absl::StrCat(" ", candidate.plan.text);
  if (engine != nullptr && candidate.range.has_value()) {
    const auto [first, last] = engine->SlotsOf(*candidate.range);
    absl::StrAppend(&text, " slots ", first, "..", last);
  }
  return text;
}

// Gives the plan its snapshot, as the last argument.
void AddSnapshot(const SnapshotTerm& term, Candidate* candidate,
                 sqlite3_index_info* info) {
  const int argument = static_cast<int>(candidate->uses.size());
  candidate->plan.as_of = argument;
  candidate->plan.null_is_now = term.is;
  absl::StrAppend(&candidate->plan.text, " AS OF ", kSnapshotColumnName,
                  term.is ? " IS ?" : "=?");
  info->aConstraintUsage[term.number].argvIndex = argument + 1;
  info->aConstraintUsage[term.number].omit = !term.is;
}

int Answer(const Candidate& candidate, const std::string& text,
           VirtualTable* table, sqlite3_index_info* info) {
  for (size_t i = 0; i < candidate.uses.size(); ++i) {
    const Candidate::Use& use = candidate.uses[i];
    auto& usage = info->aConstraintUsage[use.constraint->number];
    usage.argvIndex = static_cast<int>(i) + 1;
    usage.omit = use.omit;
    if (use.constraint->kind == ConstraintKind::kIn) {
      sqlite3_vtab_in(info, use.constraint->number, /*bHandle=*/1);
    }
  }
  info->orderByConsumed = candidate.order_consumed;
  info->estimatedRows =
      static_cast<sqlite3_int64>(std::max(1.0, candidate.rows));
  info->estimatedCost = candidate.cost;
  info->idxFlags = candidate.one_row ? SQLITE_INDEX_SCAN_UNIQUE : 0;
  info->idxNum = table->plans().Number(candidate.plan);
  info->idxStr = sqlite3_mprintf("%s", text.c_str());
  if (info->idxStr == nullptr) return SQLITE_NOMEM;
  info->needToFreeIdxStr = 1;
  return SQLITE_OK;
}

}  // namespace

int BestIndex(sqlite3_vtab* base, sqlite3_index_info* info) noexcept {
  return Guarded([&] {
    auto* table = static_cast<VirtualTable*>(base);
    // Of an error here SQLite would pass on the message and drop the code;
    // xOpen reports it whole.
    Engine* const engine =
        table->EnsureOpen().ok() ? table->database->engine() : nullptr;
    const SnapshotTerm snapshot = FindSnapshotTerm(table->layout.schema, *info);
    // Without the name the rows would be those of now.
    if (!snapshot.usable) return SQLITE_CONSTRAINT;
    const bool as_of = snapshot.number >= 0;
    const Constraints constraints(table->layout.schema, info);
    PlanContext context{&table->layout.schema,
                        info,
                        &constraints,
                        engine,
                        table->database->transaction(),
                        &table->statistics(),
                        {}};
    MeasureShares(table, &context);
    Candidate candidate = ChooseCandidate(context, table, as_of);
    if (as_of) AddSnapshot(snapshot, &candidate, info);
    return Answer(candidate, Explain(candidate, engine), table, info);
  });
}

}  // namespace nori
