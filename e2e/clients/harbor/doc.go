// Package harbor has Harbor's own Go client, by which its Terraform provider and its
// command line work, drive this registry. It is a module of its own, so that no library of
// a client is a dependency of cove; the test TestHarborsGoClient of registry/harbor serves
// a registry and runs it.
package harbor
