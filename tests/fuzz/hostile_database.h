// A copy of the golden database, to be damaged and then used.

#ifndef NORI_TESTS_FUZZ_HOSTILE_DATABASE_H_
#define NORI_TESTS_FUZZ_HOSTILE_DATABASE_H_

#include <string>
#include <vector>

namespace nori {

class HostileDatabase {
 public:
  HostileDatabase();
  ~HostileDatabase();
  HostileDatabase(const HostileDatabase&) = delete;
  HostileDatabase& operator=(const HostileDatabase&) = delete;

  std::string path() const { return directory_ + "/tables.db"; }
  std::string engine() const { return path() + "-nori"; }

  // Every statement gives rows or an error that an application can expect: ends
  // the process where one gives another.
  void UseAll() const;

 private:
  std::string directory_;
};

// The bytes of a file, and a file of these bytes.
std::string ReadBytes(const std::string& path);
void WriteBytes(const std::string& path, const std::string& bytes);

}  // namespace nori

#endif  // NORI_TESTS_FUZZ_HOSTILE_DATABASE_H_
