// Package people is the part of the registry's database that says who there is:
// accounts, and what each is in which project. Package metadata embeds it, so that
// its reads and writes are methods of metadata.DB and metadata.Tx.
package people

import "cove/registry/db"

// Queries are the reads, on what is committed or, in a write, on what that sees.
type Queries struct{ Q db.Querier }

// Writer are the writes, within a transaction.
type Writer struct{ Tx *db.Tx }
