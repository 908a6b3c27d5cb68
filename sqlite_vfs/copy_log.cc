#include "sqlite_vfs/copy_log.h"

#include <algorithm>
#include <cstring>

#include "boost/endian/conversion.hpp"

SQLITE_EXTENSION_INIT3

namespace nori {
namespace {

// https://sqlite.org/fileformat2.html, section 4.1.
constexpr int kLogHeaderBytes = 32;
constexpr int kFrameHeaderBytes = 24;
constexpr int kSmallestPage = 512;

uint32_t BigEndian(const char* p) {
  return boost::endian::load_big_u32(reinterpret_cast<const unsigned char*>(p));
}

CopyLog::View* ViewOf(sqlite3_file* file) {
  return static_cast<CopyLog::View*>(file);
}

// A part of one page.
int ReadPart(CopyLog::View* view, uint32_t page, int from, int bytes,
             char* to) {
  const CopyLog& frames = *view->frames;
  if (page == frames.last_page()) {
    std::memcpy(to, view->page + from, static_cast<size_t>(bytes));
    return SQLITE_OK;
  }
  const sqlite3_int64 at = frames.PlaceOf(page);
  // The page of the lock is in no log, and is read by nobody.
  if (at == 0) {
    std::memset(to, 0, static_cast<size_t>(bytes));
    return SQLITE_OK;
  }
  return view->log->pMethods->xRead(view->log, to, bytes, at + from);
}

int Read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 at) {
  CopyLog::View* const view = ViewOf(file);
  const int size = view->frames->page_bytes();
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const auto page = static_cast<uint32_t>(at / size) + 1;
    if (page > view->frames->pages()) {
      std::memset(out, 0, static_cast<size_t>(bytes));
      return SQLITE_IOERR_SHORT_READ;
    }
    const int from = static_cast<int>(at % size);
    const int n = std::min(bytes, size - from);
    const int rc = ReadPart(view, page, from, n, out);
    if (rc != SQLITE_OK) return rc;
    out += n;
    at += n;
    bytes -= n;
  }
  return SQLITE_OK;
}

int RefuseWrite(sqlite3_file*, const void*, int, sqlite3_int64) {
  return SQLITE_READONLY;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  const CopyLog& frames = *ViewOf(file)->frames;
  *size = sqlite3_int64{frames.pages()} * frames.page_bytes();
  return SQLITE_OK;
}

}  // namespace

CopyLog::Write CopyLog::Next(const void* data, int bytes, sqlite3_int64 at) {
  if (bytes == kLogHeaderBytes && at == 0) return Write::kOther;
  if (bytes == kFrameHeaderBytes) {
    const char* const header = static_cast<const char*>(data);
    header_at_ = at;
    page_ = BigEndian(header);
    pages_ = BigEndian(header + 4);
    return page_ == 0 ? Write::kUnknown : Write::kOther;
  }
  if (bytes < kSmallestPage || (page_bytes_ != 0 && bytes != page_bytes_)) {
    return Write::kUnknown;
  }
  page_bytes_ = bytes;
  const int frame_bytes = kFrameHeaderBytes + bytes;
  const sqlite3_int64 frame = (at - kFrameHeaderBytes - kLogHeaderBytes);
  if (frame < 0 || frame % frame_bytes != 0) return Write::kUnknown;
  // A page that is written once more, in its place.
  if (at != header_at_ + kFrameHeaderBytes) return Write::kOther;
  if (page_ >= frame_of_.size()) {
    frame_of_.resize(std::max<size_t>(page_ + 1, frame_of_.size() * 2));
  }
  frame_of_[page_] = static_cast<uint32_t>(frame / frame_bytes) + 1;
  return pages_ == 0 ? Write::kOther : Write::kCommits;
}

sqlite3_int64 CopyLog::PlaceOf(uint32_t page) const {
  if (page >= frame_of_.size() || frame_of_[page] == 0) return 0;
  return kLogHeaderBytes + kFrameHeaderBytes +
         sqlite3_int64{frame_of_[page] - 1} * (kFrameHeaderBytes + page_bytes_);
}

CopyLog::View CopyLog::Show(sqlite3_file* log, const void* page) const {
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods m = {};
    m.iVersion = 1;
    m.xRead = Read;
    m.xWrite = RefuseWrite;
    m.xFileSize = FileSize;
    return m;
  }();
  View view{};
  view.pMethods = &methods;
  view.frames = this;
  view.log = log;
  view.page = static_cast<const char*>(page);
  return view;
}

}  // namespace nori
