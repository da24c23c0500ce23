package definition

import (
	"fmt"

	"cove/errdefs"
)

// SyntaxError is a mistake at a place of a file.
type SyntaxError struct {
	File      string
	Line, End int
	Source    []byte // of the whole file
	Message   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Unwrap makes it an errdefs.ErrInvalid.
func (e *SyntaxError) Unwrap() error { return errdefs.ErrInvalid }

// DefaultNames are the files that are read where none is named, in this order: what
// a later one says replaces or completes what an earlier one says.
var DefaultNames = []string{
	"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml",
	"docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl",
}
