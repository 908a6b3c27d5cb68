// Read-only tables that show what an engine is doing, and the SQL functions.
//
//   nori_tables     the nori tables of a schema: id, name, estimated size
//   nori_indexes    their secondary indexes
//   nori_slots      the engine's slots
//   nori_sstables   the engine's table files
//   nori_metrics    gauges and counters
//   nori_options    the options in force
//   nori_events     the latest events
//   nori_snapshots  the snapshots that have names
//
// Each has a hidden column `schema`: SELECT * FROM nori_slots('aux'); without
// it main is shown. A schema without nori tables shows nothing.

#ifndef NORI_VTAB_INTROSPECTION_H_
#define NORI_VTAB_INTROSPECTION_H_

#include "vtab/connection.h"
#include "vtab/sqlite.h"

namespace nori {

// `connection` must outlive the registration.
int RegisterIntrospection(sqlite3* db, Connection* connection);

// nori_version(); with an optional schema name nori_flush() and
// nori_metrics_text(), which gives the metrics in the Prometheus text format;
// with an optional schema or table name nori_verify() and nori_compact(), the
// latter also with a table name and the bounds of its first key column;
// nori_snapshot(name) and nori_release(name), with an optional schema name;
// nori_truncate(table) and nori_estimate(table);
// nori_backup(path), with an optional schema name; nori_copy_error().
int RegisterFunctions(sqlite3* db, Connection* connection);

}  // namespace nori

#endif  // NORI_VTAB_INTROSPECTION_H_
