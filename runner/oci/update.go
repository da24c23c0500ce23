package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/oci/bundle"
	"cove/runner/oci/limits"
)

// update is the command: limits as JSON, or one by one in runc's flags.
func (a *app) update(ctx context.Context, args []string) (int, error) {
	set := flags("update")
	file := set.String("resources", "", "`FILE` with the limits as JSON, - for stdin")
	alias(set, "resources", "r")
	single := limits.Flags(set)
	rest, err := a.parse(set, args, 1, 1)
	if err != nil {
		return 1, err
	}
	c, err := a.load(rest[0])
	if err != nil {
		return 1, err
	}
	r, err := single()
	if err == nil && *file != "" {
		r, err = a.readLimits(*file)
		bundle.OlderPids(c.Spec.Version, r)
	}
	if err != nil {
		return 1, err
	}
	g, err := c.Group()
	if err != nil {
		return 1, err
	}
	return 0, g.Update(r)
}

func (a *app) readLimits(file string) (*specs.LinuxResources, error) {
	in := a.in
	if file != "-" {
		var err error
		if in, err = os.Open(file); err != nil {
			return nil, fmt.Errorf("update: %w", err)
		}
		defer in.Close()
	}
	r := &specs.LinuxResources{}
	if err := json.NewDecoder(in).Decode(r); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "update: %s: %v", file, err)
	}
	return r, nil
}
