#include "vtab/other_copy.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <string>
#include <vector>

namespace nori {
namespace {

constexpr char kEntryPoint[] = "sqlite3_norilsm_init";

// The paths of the loaded objects. The loader's lock is held while it lists
// them, so that nothing else can be asked of it meanwhile.
std::vector<std::string> LoadedObjects() {
  std::vector<std::string> paths;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* list) {
        if (info->dlpi_name != nullptr && info->dlpi_name[0] != '\0') {
          static_cast<std::vector<std::string>*>(list)->emplace_back(
              info->dlpi_name);
        }
        return 0;
      },
      &paths);
  return paths;
}

const void* BaseOf(const void* address) {
  Dl_info info;
  return dladdr(address, &info) == 0 ? nullptr : info.dli_fbase;
}

}  // namespace

bool AnotherCopyIsLoaded() {
  const void* const own = BaseOf(reinterpret_cast<const void*>(&BaseOf));
  const std::vector<std::string> paths = LoadedObjects();
  return std::any_of(
      paths.begin(), paths.end(), [own](const std::string& path) {
        void* const object = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
        if (object == nullptr) return false;
        const void* const entry = dlsym(object, kEntryPoint);
        const bool is_other = entry != nullptr && BaseOf(entry) != own;
        dlclose(object);
        return is_other;
      });
}

}  // namespace nori
