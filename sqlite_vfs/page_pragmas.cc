#include "sqlite_vfs/page_pragmas.h"

#include <cstdlib>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/core/metric_samples.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/version.h"

namespace nori {
namespace {

using Answer = absl::StatusOr<std::optional<std::string>>;

Answer AnswerOk(const absl::Status& status) {
  if (!status.ok()) return status;
  return "ok";
}

Answer ListOptions(const Options& options) {
  std::string text;
  for (const OptionInfo& info : OptionInfos()) {
    NORI_ASSIGN_OR_RETURN(const std::string value,
                          GetOption(options, info.name));
    absl::StrAppend(&text, text.empty() ? "" : "\n", info.name, "=", value);
  }
  return text;
}

// All of them, or the value of the one called `name`.
Answer ShowMetrics(const EngineStats& stats, const char* name) {
  std::string text;
  for (const MetricSample& sample : ListMetricSamples(stats)) {
    const std::string value = std::visit(
        [](auto number) { return absl::StrCat(number); }, sample.value);
    if (name != nullptr && absl::string_view(name) == sample.name) return value;
    absl::StrAppend(&text, text.empty() ? "" : "\n", sample.name, "=", value);
  }
  if (name == nullptr) return text;
  return absl::NotFoundError(absl::StrCat("there is no metric ", name));
}

Answer NameSnapshot(Engine* engine, const char* name, bool release) {
  if (name == nullptr) {
    return absl::InvalidArgumentError("the snapshot needs a name");
  }
  return AnswerOk(release ? engine->ReleaseNamedSnapshot(name)
                          : engine->CreateNamedSnapshot(name, nullptr));
}

}  // namespace

absl::StatusOr<std::optional<std::string>> AnswerPragma(Engine* engine,
                                                        bool read_only,
                                                        std::string_view name,
                                                        const char* argument) {
  const std::string pragma =
      absl::AsciiStrToLower(absl::string_view(name.data(), name.size()));
  if (pragma == "journal_mode") return "memory";
  if (read_only && (pragma == "nori_flush" || pragma == "nori_compact" ||
                    pragma == "nori_snapshot" || pragma == "nori_release")) {
    return absl::PermissionDeniedError("attempt to write a readonly database");
  }
  if (pragma == "nori_flush") return AnswerOk(engine->Flush());
  if (pragma == "nori_compact") return AnswerOk(engine->CompactRange({}));
  if (pragma == "nori_verify") return AnswerOk(engine->Verify());
  if (pragma == "nori_options") return ListOptions(engine->options());
  if (pragma == "nori_metrics") {
    return ShowMetrics(engine->GetStats(), argument);
  }
  if (pragma == "nori_version") return kVersion;
  if (pragma == "nori_snapshot" || pragma == "nori_release") {
    return NameSnapshot(engine, argument, pragma == "nori_release");
  }
  if (pragma == "integrity_check") {
    NORI_RETURN_IF_ERROR(engine->Verify());
  }
  return std::nullopt;
}

bool AsksForNormal(const char* argument) {
  // As SQLite reads it: the lowest three bits of a number, or a word, of which
  // a boolean one is a number, too.
  if (absl::ascii_isdigit(static_cast<unsigned char>(argument[0]))) {
    return (std::strtoul(argument, nullptr, 10) & 7) == 1;
  }
  for (const char* const word : {"normal", "on", "yes", "true"}) {
    if (absl::EqualsIgnoreCase(argument, word)) return true;
  }
  return false;
}

}  // namespace nori
