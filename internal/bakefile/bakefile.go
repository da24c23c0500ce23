// Package bakefile reads the files that describe several builds at once, in the
// formats of docker buildx bake: HCL, JSON and compose. It builds nothing, and opens
// nothing but the files that compose files name.
//
// The formats are described at https://docs.docker.com/build/bake/reference/.
package bakefile

import (
	"path/filepath"
	"strings"

	"cove/internal/bakefile/composefile"
	"cove/internal/bakefile/definition"
	"cove/internal/bakefile/hclfile"
)

// Parse reads files in the order given. A mistake in one of them is a *hclfile.SyntaxError, or
// errdefs.ErrInvalid.
func Parse(files []definition.File, env definition.Environment) (*definition.Definition, error) {
	d := &definition.Definition{}
	var bodies, services []definition.File
	for _, f := range files {
		if isCompose(f) {
			services = append(services, f)
		} else {
			bodies = append(bodies, f)
		}
	}
	if len(services) > 0 {
		if err := composefile.Read(d, services, env); err != nil {
			return nil, err
		}
	}
	if len(bodies) > 0 {
		if err := hclfile.Read(d, bodies, env); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// isCompose tells the formats apart: by the name, or else by what is in it.
func isCompose(f definition.File) bool {
	switch strings.ToLower(filepath.Ext(f.Name)) {
	case ".yaml", ".yml":
		return true
	case ".hcl", ".json":
		return false
	}
	return composefile.HasServices(f.Data)
}
