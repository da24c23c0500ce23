// Package linked links the parsers of bake files: importing it is all that there is to do.
package linked

import (
	"cove/internal/bakefile"
	"cove/internal/bakefile/late"
)

func init() { late.Use(bakefile.Parse) } //nolint:gochecknoinits // it is what the package is for
