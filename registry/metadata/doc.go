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
// effects are durable. How either database does that is package db's matter. Rows
// that guard a blob are locked with FOR UPDATE on PostgreSQL, which SQLite's
// single writer makes needless. A function given to Update may run more than once
// and must have no effects outside its Tx.
package metadata
