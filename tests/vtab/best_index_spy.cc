#include "tests/vtab/best_index_spy.h"

#include <dlfcn.h>
#include <sqlite3ext.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

// sqlite3ext.h turns the names of functions into members of a table that this
// program does not have.
#undef sqlite3_auto_extension
#undef sqlite3_cancel_auto_extension
#undef sqlite3_close
#undef sqlite3_create_module_v2
#undef sqlite3_free
#undef sqlite3_open
#undef sqlite3_vtab_in

namespace nori {
namespace {

const sqlite3_api_routines* host_api = nullptr;
sqlite3_api_routines spying_api;
sqlite3_module real_module, spying_module;
std::vector<BestIndexCall> calls;

int KeepApi(sqlite3*, char**, const sqlite3_api_routines* api) {
  host_api = api;
  return SQLITE_OK;
}

BestIndexCall Ask(sqlite3_vtab* table, sqlite3_index_info* info) {
  // As SQLite sets it before each call.
  std::memset(info->aConstraintUsage, 0,
              sizeof(info->aConstraintUsage[0]) *
                  static_cast<size_t>(info->nConstraint));
  info->idxStr = nullptr;
  info->idxNum = info->orderByConsumed = info->needToFreeIdxStr = 0;
  info->estimatedCost = 1e99;
  info->estimatedRows = 25;
  info->idxFlags = 0;
  BestIndexCall call;
  call.order_terms = info->nOrderBy;
  call.code = real_module.xBestIndex(table, info);
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& given = info->aConstraint[i];
    const auto& usage = info->aConstraintUsage[i];
    call.constraints.push_back({given.iColumn, given.op, given.usable != 0,
                                sqlite3_vtab_in(info, i, -1) != 0,
                                usage.argvIndex, usage.omit != 0});
  }
  call.order_consumed = info->orderByConsumed != 0;
  call.unique = (info->idxFlags & SQLITE_INDEX_SCAN_UNIQUE) != 0;
  call.rows = static_cast<double>(info->estimatedRows);
  call.cost = info->estimatedCost;
  if (info->idxStr != nullptr) call.text = info->idxStr;
  return call;
}

void Forget(sqlite3_index_info* info) {
  if (info->needToFreeIdxStr != 0) sqlite3_free(info->idxStr);
  for (int i = 0; i < info->nConstraint; ++i) sqlite3_vtab_in(info, i, 0);
}

int Spy(sqlite3_vtab* table, sqlite3_index_info* info) {
  const size_t place = calls.size();
  calls.emplace_back();
  for (int i = 0; i < info->nConstraint; ++i) {
    auto& constraint = info->aConstraint[i];
    if (constraint.usable == 0) continue;
    constraint.usable = 0;
    calls.push_back(Ask(table, info));
    calls.back().is_probe = true;
    calls.back().left_out = i;
    Forget(info);
    constraint.usable = 1;
  }
  calls[place] = Ask(table, info);
  return calls[place].code;
}

int CreateModule(sqlite3* db, const char* name, const sqlite3_module* module,
                 void* data, void (*destroy)(void*)) {
  if (std::strcmp(name, "nori") == 0) {
    real_module = spying_module = *module;
    spying_module.xBestIndex = Spy;
    module = &spying_module;
  }
  return sqlite3_create_module_v2(db, name, module, data, destroy);
}

bool ComparesAsKeys(int op) {
  return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_GT ||
         op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_LT ||
         op == SQLITE_INDEX_CONSTRAINT_LE ||
         op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL ||
         op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

}  // namespace

std::string Describe(const BestIndexCall& call) {
  std::string text = absl::StrCat(call.text, " rows ", call.rows, " cost ",
                                  call.cost, call.unique ? " unique" : "");
  for (const auto& constraint : call.constraints) {
    absl::StrAppend(&text, "; column ", constraint.column, " op ",
                    constraint.op, constraint.is_in ? " in" : "",
                    constraint.usable ? "" : " unusable", " argument ",
                    constraint.argument, constraint.omit ? " omit" : "");
  }
  return text;
}

std::string BrokenRule(const BestIndexCall& call) {
  if (call.code == SQLITE_CONSTRAINT) return "";
  if (call.code != SQLITE_OK) return "an error";
  std::set<int> arguments;
  for (const auto& constraint : call.constraints) {
    if (constraint.omit && constraint.argument == 0) return "omits an unused";
    if (constraint.omit && !ComparesAsKeys(constraint.op)) {
      return "omits what keys cannot decide";
    }
    if (constraint.argument == 0) continue;
    if (!constraint.usable) return "uses an unusable one";
    if (!arguments.insert(constraint.argument).second) return "one twice";
  }
  if (!arguments.empty() &&
      (*arguments.begin() != 1 ||
       *arguments.rbegin() != static_cast<int>(arguments.size()))) {
    return "a gap in the arguments";
  }
  if (!(call.rows >= 1) || !(call.cost > 0) || !std::isfinite(call.cost)) {
    return "no estimate";
  }
  if (call.unique && call.rows != 1) return "more than one row of one";
  if (call.order_consumed && call.order_terms == 0) return "order of nothing";
  return call.text.empty() ? "no text" : "";
}

namespace {

// A copy of the extension that neither is taken for one nor looks for others,
// which are refused beside each other: its entry point is called otherwise.
void CopyUnderAnotherName(const std::string& path) {
  const std::string name = "sqlite3_norilsm_init";
  const std::string other = "sqlite3_norispy_init";
  std::ifstream from(NORI_EXTENSION_PATH, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(from)), {});
  size_t at = 0;
  while ((at = bytes.find(name, at)) != std::string::npos) {
    bytes.replace(at, name.size(), other);
  }
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

BestIndexSpy::BestIndexSpy(const std::string& directory) {
  auto* const keep = reinterpret_cast<void (*)()>(KeepApi);
  sqlite3_auto_extension(keep);
  sqlite3* db = nullptr;
  sqlite3_open(":memory:", &db);
  sqlite3_close(db);
  sqlite3_cancel_auto_extension(keep);
  spying_api = *host_api;
  spying_api.create_module_v2 = CreateModule;
  // Only this connection is to have it.
  spying_api.auto_extension = [](void (*)()) { return SQLITE_OK; };
  spying_api.vfs_register = [](sqlite3_vfs* vfs, int) {
    // As SQLite would, so that they are not taken for leaks.
    static auto* const kept = new std::vector<sqlite3_vfs*>;
    kept->push_back(vfs);
    return SQLITE_OK;
  };
  const std::string copy = directory + "/spied.so";
  CopyUnderAnotherName(copy);
  void* const library = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_NE(library, nullptr) << dlerror();
  init_ = reinterpret_cast<Init>(dlsym(library, "sqlite3_extension_init"));
  calls.clear();
}

BestIndexSpy::~BestIndexSpy() { calls.clear(); }

void BestIndexSpy::Load(sqlite3* db) {
  char* error = nullptr;
  EXPECT_EQ(init_(db, &error, &spying_api) & 0xff, SQLITE_OK) << error;
  sqlite3_free(error);
}

std::vector<BestIndexCall> BestIndexSpy::Take() {
  return std::exchange(calls, {});
}

}  // namespace nori
