// Package late reads YAML in the programs that import cove/internal/strictyaml/late/linked,
// and links no parser itself: its tables are made before main, at every start, and most
// starts meet no file.
package late

import "cove/errdefs"

var decode func(name string, data []byte, into any) error

// Use gives the program its parser. It is called by the initialisation of a package, and
// nowhere else.
func Use(f func(name string, data []byte, into any) error) { decode = f }

// Decode is strictyaml.Decode, or errdefs.ErrNotLinked.
func Decode(name string, data []byte, into any) error {
	if decode == nil {
		return errdefs.Errorf(errdefs.ErrNotLinked, "%s: this program links nothing that reads YAML", name)
	}
	return decode(name, data, into)
}
