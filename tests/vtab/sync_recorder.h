// Remembers what a process has made durable, so that a test can take the rest
// away: a power failure, played on real files.
//
// The tests' executable defines the calls that change files, which then serve
// SQLite and the extension as well. They only record where StartRecording was
// called. The records outlive the process, which may be killed at any
// moment.

#ifndef NORI_TESTS_VTAB_SYNC_RECORDER_H_
#define NORI_TESTS_VTAB_SYNC_RECORDER_H_

#include <functional>
#include <random>
#include <string>

namespace nori {

// From now on this process records what it syncs in `records`, a directory on
// the file system of the files.
void StartRecording(const std::string& records);

// Takes everything in `directory` (and one level below it) for durable.
void RecordAsDurable(const std::string& directory, const std::string& records);

// What a power failure now leaves of `directory`: every file independently
// keeps what was synced last, with none, some or all blocks of what was written
// since; a rollback journal whose removal was not synced may be back. No
// process may have the files open.
void LosePower(const std::string& directory, const std::string& records,
               std::mt19937_64* random);

// What of a file's bytes survives.
enum class Survives {
  kSynced,   // what was synced last; a removal that was not is undone
  kWritten,  // all
  kSome,     // of each block either, by chance
};
// As LosePower, but leaves `directory` as it is and puts what is left into
// `target`, a new directory. `survives` decides for each path.
void CopyAfterPowerLoss(
    const std::string& directory, const std::string& records,
    const std::string& target,
    const std::function<Survives(const std::string& path)>& survives,
    std::mt19937_64* random);

// From now on this process syncs nothing: for tests that only play at losing
// power, and would wait for the disk for nothing.
void SkipSyncs();

// Called before every write, truncation, sync, removal, rename and link of a
// file and making of a directory, with the name of the call, which fails with
// the errno that the observer gives unless that is 0. Null: not called.
void SetBeforeChange(int (*observer)(const char* call));

}  // namespace nori

#endif  // NORI_TESTS_VTAB_SYNC_RECORDER_H_
