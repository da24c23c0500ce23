// Package runtimes finds the OCI runtime that starts a container, by its name.
package runtimes

import (
	"maps"
	"os/exec"
	"slices"
	"strings"

	"cove/engine/config"
	"cove/engine/machine"
	"cove/errdefs"
	"cove/runner/record"
)

// Own is what cove's runtime is called.
const Own = "cove-runtime"

// knownRuntimes are programs that need no configuration: they are found in $PATH, and
// take the same command line.
var knownRuntimes = []string{"runc", "crun", "youki"}

// shim begins the names that docker has for containerd's way to run runc.
const shim = "io.containerd.runc."

// Names are the names of those that containers can have, cove's own first.
func Names(known config.Registries) []string {
	names := slices.Sorted(maps.Keys(known.Runtimes))
	for _, name := range knownRuntimes {
		if _, err := exec.LookPath(name); err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return append([]string{Own}, names...)
}

// Find finds a runtime; nil is cove's own. A program that no configuration names is no
// runtime, whatever $PATH has: clients of an API choose it too. What is configured is
// read for another one than cove's alone. user says whose user namespace the container
// has.
func Find(name string, read func() (config.Registries, error), user record.Sharing) (*record.Runtime, error) {
	if name == "" || name == Own {
		return nil, nil //nolint:nilnil // as said above
	}
	known, err := read()
	if err != nil {
		return nil, err
	}
	program := name
	if strings.HasPrefix(name, shim) {
		program = "runc"
	}
	found, configured := known.Runtimes[program]
	switch {
	case configured && found.Path == "":
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"runtime %s: it is configured with no path: what speaks to containerd alone cannot be used", name)
	case configured:
		program = found.Path
	case !slices.Contains(knownRuntimes, program):
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "unknown or invalid runtime name: %s; there are %s, and those "+
			"that config.yaml of cove or daemon.json of docker name below \"runtimes\"", name, strings.Join(Names(known), ", "))
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "runtime %s: %w; install it, or use %s", name, err, Own)
	}
	if err := machine.NeedNetworks("running a container under the runtime " + name); err != nil {
		return nil, err
	}
	if user != "" && user != record.Host {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"runtime %s: root of a user namespace cannot reach the bundle; use %s, or the host's user namespace", name,
			Own)
	}
	return &record.Runtime{Name: name, Path: path, Args: found.Args}, nil
}
