// Package conformance names the suite of the OCI Distribution Specification, as its main branch
// has it, for whoever builds it: TestConformance of internal/cli/registrycmd, which runs it on
// a registry. It is a module of its own; the folder 2023 is another one, of the suite as it was
// for version 1.1 first.
package conformance
