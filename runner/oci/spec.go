package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cove/errdefs"
	"cove/runner/oci/bundle"
)

// spec is the command: it writes a config.json to begin with.
func (a *app) spec(_ context.Context, args []string) (int, error) {
	set := flags("spec")
	dir := set.String("bundle", ".", "`DIR` to write it to")
	alias(set, "bundle", "b")
	rootless := set.Bool("rootless", false, "for a container in a user namespace of its own, whose root is the caller")
	if _, err := a.parse(set, args, 0, 0); err != nil {
		return 1, err
	}
	spec := bundle.Example()
	if *rootless {
		bundle.Rootless(spec, os.Geteuid(), os.Getegid())
	}
	data, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		return 1, fmt.Errorf("spec: encoding: %w", err)
	}
	name := filepath.Join(*dir, "config.json")
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, os.ErrExist) {
		return 1, errdefs.Errorf(errdefs.ErrExists, "spec: %s exists; remove it first", name)
	}
	if err == nil {
		_, err = f.Write(append(data, '\n'))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return 1, fmt.Errorf("spec: %w", err)
	}
	return 0, nil
}
