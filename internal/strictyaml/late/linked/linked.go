// Package linked links the parser of YAML: importing it is all that there is to do.
package linked

import (
	"cove/internal/strictyaml"
	"cove/internal/strictyaml/late"
)

func init() { late.Use(strictyaml.Decode) } //nolint:gochecknoinits // it is what the package is for
