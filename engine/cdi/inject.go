package cdi

import (
	"fmt"
	"os"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/engine/machine"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

// Inject changes the spec of a container as the devices with these names say. The errors
// are errdefs.ErrNotFound, ErrInvalid, or ErrUnsupported for what cove has not.
func Inject(spec *specs.Spec, names, dirs []string) error {
	devices, err := find(dirs, names)
	if err != nil {
		return err
	}
	var files []*file // what a file has for all its devices comes once
	for _, d := range devices {
		if !slices.Contains(files, d.file) {
			files = append(files, d.file)
			if err := apply(spec, d.in, d.file.Edits); err != nil {
				return err
			}
		}
		if err := apply(spec, d.in, d.edits); err != nil {
			return err
		}
	}
	return nil
}

// InjectMatching injects the devices that Matching finds for a name, or none where there
// are none and it need not be.
func InjectMatching(spec *specs.Spec, name string, required bool, dirs []string) error {
	names := Matching(dirs, name)
	if len(names) == 0 {
		if !required {
			return nil
		}
		names = []string{name} // the error says where it was looked for
	}
	if err := Inject(spec, names, dirs); err != nil {
		return fmt.Errorf("RUN --device=%s: %w", name, err)
	}
	return nil
}

func apply(spec *specs.Spec, in string, e edits) error {
	if e.RDT != nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s: containerEdits.intelRdt is not supported", in)
	}
	spec.Process.Env = runspec.MergeEnv(spec.Process.Env, e.Env)
	for _, n := range e.Nodes {
		if err := addNode(spec, in, n); err != nil {
			return err
		}
	}
	for _, n := range e.NetDevices {
		if spec.Linux.NetDevices == nil {
			spec.Linux.NetDevices = map[string]specs.LinuxNetDevice{}
		}
		spec.Linux.NetDevices[n.HostName] = specs.LinuxNetDevice{Name: n.Name}
	}
	for _, m := range e.Mounts {
		addMount(spec, m)
	}
	for _, g := range e.Groups {
		if g != 0 && !slices.Contains(spec.Process.User.AdditionalGids, g) {
			spec.Process.User.AdditionalGids = append(spec.Process.User.AdditionalGids, g)
		}
	}
	for _, h := range e.Hooks {
		if err := addHook(spec, in, h); err != nil {
			return err
		}
	}
	return nil
}

// addMount puts a mount in the place of another at the same destination.
func addMount(spec *specs.Spec, m bind) {
	at := specs.Mount{Destination: m.ContainerPath, Source: m.HostPath, Type: m.Type, Options: m.Options}
	if at.Type == "" {
		at.Type = "bind"
	}
	if at.Type == "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
		at.Options = append([]string{"rbind"}, m.Options...)
	}
	spec.Mounts = slices.DeleteFunc(spec.Mounts, func(old specs.Mount) bool {
		return old.Destination == at.Destination
	})
	spec.Mounts = append(spec.Mounts, at)
}

// addNode adds a device node, whose numbers are those of the host's if the file has none,
// and allows it.
func addNode(spec *specs.Spec, in string, n node) error {
	access := n.Permissions
	if access == "" {
		access = "rwm"
	}
	d := specs.LinuxDevice{Path: n.Path, Type: n.Type, Major: n.Major, Minor: n.Minor, UID: n.UID, GID: n.GID}
	if n.FileMode != nil {
		mode := os.FileMode(*n.FileMode)
		d.FileMode = &mode
	}
	if d.Type == "" || d.Major == 0 && d.Type != "p" {
		has, err := machine.Device(record.Device{Source: n.source(), Target: n.Path, Access: "rwm"})
		if err != nil || len(has) != 1 {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s: device node %s: %w", in, n.source(), err)
		}
		d.Type, d.Major, d.Minor = has[0].Type, has[0].Major, has[0].Minor
		if d.FileMode == nil {
			mode := os.FileMode(has[0].Mode)
			d.FileMode = &mode
		}
		if d.UID == nil && d.GID == nil {
			d.UID, d.GID = &has[0].UID, &has[0].GID
		}
	}
	spec.Linux.Devices = slices.DeleteFunc(spec.Linux.Devices, func(old specs.LinuxDevice) bool {
		return old.Path == d.Path
	})
	spec.Linux.Devices = append(spec.Linux.Devices, d)
	if spec.Linux.Resources == nil {
		spec.Linux.Resources = &specs.LinuxResources{}
	}
	if d.Type == "c" || d.Type == "b" {
		spec.Linux.Resources.Devices = append(spec.Linux.Resources.Devices,
			specs.LinuxDeviceCgroup{Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: access})
	}
	return nil
}

func addHook(spec *specs.Spec, in string, h hook) error {
	if spec.Hooks == nil {
		spec.Hooks = &specs.Hooks{}
	}
	kinds := map[string]*[]specs.Hook{
		"prestart":        &spec.Hooks.Prestart, //nolint:staticcheck // vendors' files have it
		"createRuntime":   &spec.Hooks.CreateRuntime,
		"createContainer": &spec.Hooks.CreateContainer,
		"startContainer":  &spec.Hooks.StartContainer,
	}
	into := kinds[h.Name]
	if into == nil {
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s: hook %s: there are createRuntime, createContainer, "+
			"startContainer and prestart", in, h.Name)
	}
	*into = append(*into, specs.Hook{Path: h.Path, Args: h.Args, Env: h.Env, Timeout: h.Timeout})
	return nil
}
