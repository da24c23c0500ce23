// Package registry makes a Distribution server a private registry: users,
// projects, tokens, metadata, garbage collection, TLS.
package registry
