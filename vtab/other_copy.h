// Whether another copy of this extension is at work in the process.

#ifndef NORI_VTAB_OTHER_COPY_H_
#define NORI_VTAB_OTHER_COPY_H_

namespace nori {

// Looks for a loaded object, other than the one with this code, that has nori's
// entry point. Two copies, loaded from different files, would each open an
// engine of its own over the same directory: file locks do not keep a process
// from itself. Thread-safe.
bool AnotherCopyIsLoaded();

}  // namespace nori

#endif  // NORI_VTAB_OTHER_COPY_H_
