// Processes of the test program itself, for tests that kill what they start.

#ifndef NORI_TESTS_VTAB_CHILD_PROCESS_H_
#define NORI_TESTS_VTAB_CHILD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace nori {

struct Child {
  pid_t pid = -1;
  int output = -1;  // reads its standard output
};

// This program once more, with environment variables ("NAME=value") added by
// which it knows its role. The caller waits for it.
Child StartChild(const std::vector<std::string>& variables);

// Everything up to the end; closes `fd`.
std::string ReadAll(int fd);

}  // namespace nori

#endif  // NORI_TESTS_VTAB_CHILD_PROCESS_H_
