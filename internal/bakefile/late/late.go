// Package late reads bake files in the programs that import cove/internal/bakefile/late/linked,
// and links no parser itself: the schemas and functions of compose and HCL are made before
// main, at every start, and most builds are of no such file.
package late

import (
	"cove/errdefs"
	"cove/internal/bakefile/definition"
)

// Parse is bakefile.Parse.
type Parse func(files []definition.File, env definition.Environment) (*definition.Definition, error)

var parse Parse

// Use gives the program its parser. It is called by the initialisation of a package, and
// nowhere else.
func Use(f Parse) { parse = f }

// Parser returns the parser, or errdefs.ErrNotLinked.
func Parser() (Parse, error) {
	if parse == nil {
		return nil, errdefs.Errorf(errdefs.ErrNotLinked, "this program links nothing that reads bake files")
	}
	return parse, nil
}
