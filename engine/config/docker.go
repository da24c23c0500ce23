package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"cove/errdefs"
)

// readDocker reads the keys of daemon.json that mean something here. The file is
// docker's: keys that are not ours are none of our business, and one that only
// root may read says nothing to others.
func readDocker(name string) (Registries, error) {
	data, err := os.ReadFile(name)
	if name == "" || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return Registries{}, nil
	} else if err != nil {
		return Registries{}, errdefs.Errorf(errdefs.ErrInvalid, "config: %w", err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Registries{}, nil
	}
	var f struct {
		shared
		Runtimes map[string]Runtime `json:"runtimes"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return Registries{}, errdefs.Errorf(errdefs.ErrInvalid, "%s%s: %w", name, lineOf(data, err), err)
	}
	out := f.registries()
	out.Runtimes = f.Runtimes
	return out, nil
}

// lineOf is ":LINE" of an error of encoding/json, where it says.
func lineOf(data []byte, err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var at int64
	switch {
	case errors.As(err, &syntax):
		at = syntax.Offset
	case errors.As(err, &kind):
		at = kind.Offset
	default:
		return ""
	}
	return fmt.Sprintf(":%d", 1+bytes.Count(data[:min(at, int64(len(data)))], []byte("\n")))
}
