// Package metadata is the registry's database: what the stored bytes mean.
//
// Projects, repositories, membership of blobs, manifests and what they refer
// to, tags and their history, uploads, users and their roles live here, in
// SQLite inside the registry's root by default, or in PostgreSQL. Both run one
// schema and the same statements. Every question that a request asks is an
// indexed query; nothing walks the storage.
//
// A read is a method of [DB] and sees what is committed. A write is a function
// given to [DB.Update], which gets a [Tx]: it returns nil exactly when its
// effects are durable. On SQLite one goroutine owns the writing connection and
// commits the functions that wait together in one transaction, each in its own
// savepoint, so that many pushers share one fsync. On PostgreSQL each function
// is a transaction of its own, repeated when it loses to another; rows that
// guard a blob are locked with FOR UPDATE there, which SQLite's single writer
// makes needless. A function given to Update may therefore run more than once
// and must have no effects outside its Tx.
package metadata
