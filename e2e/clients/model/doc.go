// Package model names the client with which docker's own tools package, push and pull models,
// for whoever builds it: TestRealClients of internal/cli/registrycmd. It is a module of its own.
package model
