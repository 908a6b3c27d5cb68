#include "engine/io/memory_node.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <functional>
#include <iterator>

#include "absl/container/flat_hash_set.h"

namespace nori {
namespace {

constexpr uint64_t kSectorBytes = 512;

void WriteInto(std::string* bytes, uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  if (offset + data.size() > bytes->size()) {
    bytes->resize(offset + data.size(), '\0');
  }
  data.copy(bytes->data() + offset, data.size());
}

// Calls visit(sector number, offset, part) for the parts of a write that lie
// in one sector each.
template <typename F>
void ForEachSector(uint64_t offset, std::string_view data, F visit) {
  while (!data.empty()) {
    const uint64_t sector = offset / kSectorBytes;
    const uint64_t room = (sector + 1) * kSectorBytes - offset;
    const std::string_view part = data.substr(0, room);
    visit(sector, offset, part);
    data.remove_prefix(part.size());
    offset += part.size();
  }
}

void ApplyDurably(const DirectoryOperation& operation) {
  for (const EntryChange& c : operation) {
    if (c.node == nullptr) {
      c.directory->durable.erase(c.name);
    } else {
      c.directory->durable[c.name] = c.node;
    }
  }
}

}  // namespace

void MemoryContent::Change::ApplyTo(std::string* bytes) const {
  if (truncate) {
    bytes->resize(offset, '\0');
  } else {
    WriteInto(bytes, offset, *data);
  }
}

void MemoryContent::Write(uint64_t offset, std::string_view data) {
  if (data.empty()) return;
  WriteInto(current_.Mutable(), offset, data);
  pending_.push_back(
      {false, offset, std::make_shared<const std::string>(data)});
}

void MemoryContent::Truncate(uint64_t size) {
  if (size == current_.get().size()) return;
  current_.Mutable()->resize(size, '\0');
  pending_.push_back({true, size, nullptr});
}

void MemoryContent::Sync() {
  if (pending_.empty()) return;
  std::string* const bytes = durable_.Mutable();
  for (const Change& c : pending_) c.ApplyTo(bytes);
  pending_.clear();
  assert(durable_.get().size() == current_.get().size());
}

void MemoryContent::Seal() {
  if (pending_.empty()) durable_.ShareFrom(&current_);
}

MemoryContent MemoryContent::Clone() {
  MemoryContent copy;
  copy.current_.ShareFrom(&current_);
  copy.durable_.ShareFrom(&durable_);
  copy.pending_ = pending_;
  return copy;
}

MemoryContent MemoryContent::AfterCrash(CrashMode mode, Random* random) {
  MemoryContent copy;
  if (mode == CrashMode::kKeepAll || pending_.empty()) {
    copy.current_.ShareFrom(&current_);
  } else {
    copy.current_.ShareFrom(&durable_);
    if (mode == CrashMode::kRandom) {
      switch (random->Uniform(4)) {
        case 0:
          break;
        case 1:
          KeepTornPrefix(copy.current_.Mutable(), random);
          break;
        case 2:
          KeepSectors(copy.current_.Mutable(), random);
          break;
        default:
          copy.current_.ShareFrom(&current_);
      }
    }
  }
  copy.durable_.ShareFrom(&copy.current_);
  return copy;
}

void MemoryContent::KeepTornPrefix(std::string* bytes, Random* random) const {
  const size_t whole = random->Uniform(pending_.size());
  for (size_t i = 0; i < whole; ++i) pending_[i].ApplyTo(bytes);
  const Change& torn = pending_[whole];
  if (torn.truncate) return;
  uint64_t kept = random->Uniform(torn.data->size() + 1);
  if (random->OneIn(2)) {
    const uint64_t end = (torn.offset + kept) / kSectorBytes * kSectorBytes;
    kept = std::max(end, torn.offset) - torn.offset;
  }
  WriteInto(bytes, torn.offset, std::string_view(*torn.data).substr(0, kept));
}

void MemoryContent::KeepSectors(std::string* bytes, Random* random) const {
  // A sector is on the disk as it was at one time: it has the first
  // `kept` of the `total` writes to it and none of the later ones.
  struct SectorFate {
    uint64_t total = 0;
    uint64_t kept = 0;
    uint64_t seen = 0;
  };
  std::map<uint64_t, SectorFate> fates;
  for (const Change& c : pending_) {
    if (c.truncate) continue;
    ForEachSector(c.offset, *c.data, [&](uint64_t sector, uint64_t, auto) {
      ++fates[sector].total;
    });
  }
  // One probability for the whole file, so that nearly all and nearly nothing
  // happen as often as a half.
  const double keep_all = random->NextDouble();
  for (auto& [sector, fate] : fates) {
    fate.kept = random->NextDouble() < keep_all ? fate.total
                                                : random->Uniform(fate.total);
  }
  for (const Change& c : pending_) {
    if (c.truncate) {
      if (random->NextDouble() < keep_all) c.ApplyTo(bytes);
      continue;
    }
    ForEachSector(c.offset, *c.data,
                  [&](uint64_t sector, uint64_t offset, std::string_view part) {
                    SectorFate& fate = fates[sector];
                    if (fate.seen++ < fate.kept) {
                      WriteInto(bytes, offset, part);
                    }
                  });
  }
  if (random->OneIn(2) && bytes->size() < current_.get().size()) {
    bytes->resize(current_.get().size(), '\0');
  }
}

namespace {

uint64_t NextDevice() {
  static std::atomic<uint64_t> next{1};
  return next++;
}

// Copies the tree below a root, once per node however many names it has.
class TreeCopier {
 public:
  using CopyContent = std::function<MemoryContent(MemoryContent&)>;

  explicit TreeCopier(CopyContent copy_content)
      : copy_content_(std::move(copy_content)) {}

  // The copy of a node, empty if it is a directory and new.
  MemoryNodeRef Shallow(const MemoryNodeRef& node, bool* is_new) {
    auto [it, inserted] = copies_.try_emplace(node.get());
    *is_new = inserted;
    if (inserted) {
      it->second =
          std::make_shared<MemoryNode>(node->inode, node->is_directory);
      if (!node->is_directory) {
        it->second->content = copy_content_(node->content);
      }
    }
    return it->second;
  }

 private:
  const CopyContent copy_content_;
  absl::flat_hash_map<const MemoryNode*, MemoryNodeRef> copies_;
};

// The tree that a crash leaves, of current or of durable entries.
MemoryNodeRef CopySurvivors(const MemoryNodeRef& node, bool durable_only,
                            TreeCopier* copier) {
  bool is_new;
  MemoryNodeRef copy = copier->Shallow(node, &is_new);
  if (!is_new) return copy;
  for (const auto& [name, child] :
       durable_only ? node->durable : node->entries) {
    copy->entries[name] = CopySurvivors(child, durable_only, copier);
  }
  copy->durable = copy->entries;
  return copy;
}

// The tree of current and durable entries alike.
MemoryNodeRef CopyWhole(const MemoryNodeRef& node, TreeCopier* copier) {
  bool is_new;
  MemoryNodeRef copy = copier->Shallow(node, &is_new);
  if (!is_new) return copy;
  for (const auto& [name, child] : node->entries) {
    copy->entries[name] = CopyWhole(child, copier);
  }
  for (const auto& [name, child] : node->durable) {
    copy->durable[name] = CopyWhole(child, copier);
  }
  return copy;
}

}  // namespace

MemoryDisk::MemoryDisk()
    : device(NextDevice()), root(std::make_shared<MemoryNode>(1, true)) {}

void MemoryDisk::Apply(DirectoryOperation operation) {
  for (const EntryChange& c : operation) {
    if (c.node == nullptr) {
      c.directory->entries.erase(c.name);
    } else {
      c.directory->entries[c.name] = c.node;
    }
  }
  pending.push_back(std::move(operation));
}

void MemoryDisk::SyncEntries(const MemoryNodeRef& directory) {
  absl::flat_hash_set<const MemoryNode*> needed = {directory.get()};
  std::vector<bool> chosen(pending.size(), false);
  for (size_t i = pending.size(); i-- > 0;) {
    chosen[i] = std::any_of(pending[i].begin(), pending[i].end(),
                            [&](const EntryChange& c) {
                              return needed.contains(c.directory.get());
                            });
    if (!chosen[i]) continue;
    for (const EntryChange& c : pending[i]) needed.insert(c.directory.get());
  }
  std::vector<DirectoryOperation> rest;
  for (size_t i = 0; i < pending.size(); ++i) {
    if (chosen[i]) {
      ApplyDurably(pending[i]);
    } else {
      rest.push_back(std::move(pending[i]));
    }
  }
  pending = std::move(rest);
}

void MemoryDisk::Crash(CrashMode mode, Random* random) {
  assert(mode != CrashMode::kRandom || random != nullptr);
  if (mode == CrashMode::kRandom) {
    const double keep = random->NextDouble();
    for (const DirectoryOperation& operation : pending) {
      if (random->NextDouble() < keep) ApplyDurably(operation);
    }
  }
  TreeCopier copier(
      [&](MemoryContent& content) { return content.AfterCrash(mode, random); });
  root = CopySurvivors(root, mode != CrashMode::kKeepAll, &copier);
  pending.clear();
  locks.clear();
}

std::shared_ptr<MemoryDisk> MemoryDisk::Clone() {
  auto copy = std::make_shared<MemoryDisk>();
  absl::MutexLock lock(&copy->mutex);
  TreeCopier copier([](MemoryContent& content) { return content.Clone(); });
  copy->root = CopyWhole(root, &copier);
  for (const DirectoryOperation& operation : pending) {
    DirectoryOperation copied;
    for (const EntryChange& c : operation) {
      copied.push_back({CopyWhole(c.directory, &copier), c.name,
                        c.node ? CopyWhole(c.node, &copier) : nullptr});
    }
    copy->pending.push_back(std::move(copied));
  }
  copy->next_inode = next_inode;
  return copy;
}

}  // namespace nori
