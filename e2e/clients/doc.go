// Package clients has the libraries by which programs use docker drive cove: docker's own,
// in the newest version of the API and in the oldest that cove serves, and testcontainers
// with a reaper. It is a module of its own, so that no library of a client is a dependency
// of cove; the test TestGoClients of the folder above serves the API and runs it.
package clients
