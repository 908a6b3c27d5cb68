#include "tests/vtab/child_process.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "gtest/gtest.h"

namespace nori {

Child StartChild(const std::vector<std::string>& variables) {
  std::array<int, 2> ends;
  EXPECT_EQ(pipe(ends.data()), 0);
  std::vector<std::string> environment = variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  std::vector<char*> pointers;
  pointers.reserve(environment.size() + 1);
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  std::array<char, 12> name{"kill_test"};
  std::array<char*, 2> arguments{name.data(), nullptr};
  Child child;
  child.pid = fork();
  EXPECT_GE(child.pid, 0) << "fork: " << strerror(errno);
  if (child.pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execve("/proc/self/exe", arguments.data(), pointers.data());
    _exit(127);
  }
  close(ends[1]);
  child.output = ends[0];
  return child;
}

std::string ReadAll(int fd) {
  std::string all;
  std::array<char, 4096> buffer;
  ssize_t n;
  while ((n = read(fd, buffer.data(), buffer.size())) > 0) {
    all.append(buffer.data(), static_cast<size_t>(n));
  }
  close(fd);
  return all;
}

}  // namespace nori
