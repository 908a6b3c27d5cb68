#include "vtab/function_target.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

struct Candidate {
  std::string schema;
  std::string table;  // empty: the schema
};

absl::StatusOr<bool> HasTable(Connection* connection, const std::string& schema,
                              const std::string& table) {
  const std::shared_ptr<Database> database = connection->GetDatabase(schema);
  NORI_ASSIGN_OR_RETURN(const bool exists, database->state_table().Exists());
  if (!exists) return false;
  const absl::Status found = database->state_table().FindTable(table).status();
  if (absl::IsNotFound(found)) return false;
  NORI_RETURN_IF_ERROR(found);
  return true;
}

absl::StatusOr<std::vector<Candidate>> FindTables(
    Connection* connection, const std::vector<std::string>& schemas,
    const std::string& text) {
  std::vector<Candidate> found;
  for (const std::string& schema : schemas) {
    NORI_ASSIGN_OR_RETURN(const bool has, HasTable(connection, schema, text));
    if (!has) continue;
    found.push_back({schema, text});
    break;
  }
  const size_t dot = text.find('.');
  if (dot == std::string::npos) return found;
  const std::string before = text.substr(0, dot);
  const std::string after = text.substr(dot + 1);
  for (const std::string& schema : schemas) {
    if (!EqualsIgnoreCase(schema, before)) continue;
    NORI_ASSIGN_OR_RETURN(const bool has, HasTable(connection, schema, after));
    if (has) found.push_back({schema, after});
  }
  return found;
}

const char* WordFor(TargetKind kind) {
  switch (kind) {
    case TargetKind::kSchema:
      return "there is no schema called ";
    case TargetKind::kTable:
      return "there is no nori table called ";
    case TargetKind::kEither:
      return "there is no schema and no nori table called ";
  }
  return "";
}

}  // namespace

absl::StatusOr<FunctionTarget> FindTarget(Connection* connection,
                                          const std::string& text,
                                          TargetKind kind) {
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> schemas,
                        connection->Schemas());
  std::vector<Candidate> found;
  if (kind != TargetKind::kSchema) {
    NORI_ASSIGN_OR_RETURN(found, FindTables(connection, schemas, text));
  }
  if (kind != TargetKind::kTable) {
    for (const std::string& schema : schemas) {
      if (EqualsIgnoreCase(schema, text)) found.push_back({schema, ""});
    }
  }
  if (found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(WordFor(kind), text));
  }
  if (found.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        text, " may be ", found[0].schema, ".", found[0].table, " or ",
        found[1].table.empty() ? "the schema " : "", found[1].schema,
        found[1].table.empty() ? "" : ".", found[1].table,
        ": rename one of them, or say which table as 'schema.table'"));
  }
  FunctionTarget target;
  target.database = connection->GetDatabase(found.front().schema);
  target.table = found.front().table;
  NORI_ASSIGN_OR_RETURN(const bool exists,
                        target.database->state_table().Exists());
  if (!exists) {
    return absl::InvalidArgumentError(
        absl::StrCat("the schema ", text, " has no nori tables"));
  }
  NORI_RETURN_IF_ERROR(target.database->EnsureOpen());
  return target;
}

absl::StatusOr<VirtualTable*> ConnectTable(const FunctionTarget& target) {
  NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                        target.database->ConnectTable(target.table));
  if (table == nullptr) {
    return SqliteError(SQLITE_ERROR,
                       absl::StrCat(target.table, " is not a nori table"));
  }
  NORI_RETURN_IF_ERROR(table->EnsureOpen());
  return table;
}

}  // namespace nori
