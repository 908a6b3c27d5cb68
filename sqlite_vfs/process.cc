#include "sqlite_vfs/process.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

namespace nori {
namespace {

std::atomic<pid_t> current{0};

void NoteProcess() { current.store(getpid(), std::memory_order_relaxed); }

}  // namespace

pid_t CurrentProcess() {
  // Where no handler can be had, every call asks.
  static const bool is_told = [] {
    NoteProcess();
    return pthread_atfork(nullptr, nullptr, NoteProcess) == 0;
  }();
  if (!is_told) [[unlikely]]
    return getpid();
  return current.load(std::memory_order_relaxed);
}

}  // namespace nori
