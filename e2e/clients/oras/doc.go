// Package oras has oras's library push and pull what is no image, the way its own users do:
// files as an artifact, what refers to it, and models in the two forms that are in use. It is
// a module of its own; TestRealClients of internal/cli/registrycmd serves a registry and runs it.
package oras
