// Package server assembles the registry into a server: its configuration, the
// first start on an empty folder, the HTTP handlers in their order, metrics,
// the access log, and a stop that lets running requests finish.
//
// The folder of a registry (its root) holds
//
//	content/             the bytes (package content/fsstore), unless they are in a bucket
//	registry.db          what they mean (package registry/metadata)
//	tls/                 ca.crt, ca.key, server.crt, server.key
//	keys/                private keys that sign tokens
//	admin-password       of the first start, until it is changed
//	lock                 held by the process that serves it
//	running              there while a server runs, with its address: its absence says that the
//	                     last one ended in order
package server
