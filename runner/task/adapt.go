package task

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/layers/mount"
	"cove/network"
	"cove/runner/record"
	"cove/sandbox/defaults"
	"cove/sandbox/plan"
)

// adapt completes a copy of the spec: the control group, the network
// namespace, the hostname, and the files bound over the root's.
func adapt(r Request, e *network.Endpoint) *specs.Spec {
	spec := *r.Spec
	linux := specs.Linux{}
	if spec.Linux != nil {
		linux = *spec.Linux
	}
	linux.CgroupsPath = CgroupPath(r.ID, r.Spec)
	if e != nil {
		linux.Namespaces = slices.DeleteFunc(slices.Clone(linux.Namespaces), func(ns specs.LinuxNamespace) bool {
			return ns.Type == specs.NetworkNamespace
		})
		if !e.Shared {
			linux.Namespaces = append(linux.Namespaces,
				specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: e.Path})
		}
	}
	spec.Linux = &linux
	joinNamespaces(&spec, r.Joined)
	if spec.Hostname == "" && r.Net.Hostname != "" && Has(&spec, specs.UTSNamespace) {
		spec.Hostname = r.Net.Hostname
	}
	if r.Init != "" {
		process := *spec.Process
		process.Args = append([]string{record.InitPath, "--"}, process.Args...)
		spec.Process = &process
		// Read-only, or root in the container could write to the host's program
		// through /proc/1/exe (CVE-2019-5736).
		spec.Mounts = append(slices.Clone(spec.Mounts), specs.Mount{
			Destination: record.InitPath, Type: "bind", Source: r.Init, Options: []string{"bind", "private", "ro"},
		})
		if allowed := spec.Annotations[plan.FilesAllowed]; allowed != "" {
			spec.Annotations = maps.Clone(spec.Annotations)
			spec.Annotations[plan.FilesAllowed] = "ro " + record.InitPath + "\n" + allowed
		}
	}
	if r.Files != "" {
		options := []string{"rbind", "rprivate"}
		if spec.Root != nil && spec.Root.Readonly {
			options = append(options, defaults.ReadOnly)
		}
		spec.Mounts = slices.Clone(spec.Mounts)
		for _, name := range etcFiles {
			target := "/etc/" + name
			if slices.ContainsFunc(spec.Mounts, func(m specs.Mount) bool { return m.Destination == target }) {
				continue // the user's own
			}
			spec.Mounts = append(spec.Mounts, specs.Mount{
				Destination: target, Type: "bind", Source: source(r, name), Options: options,
			})
		}
	}
	return &spec
}

// source is where a file of /etc is: what belongs to a network that is joined is with
// whoever made it.
func source(r Request, name string) string {
	if r.PeerFiles != "" && name != "hostname" {
		path := filepath.Join(r.PeerFiles, name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(r.Files, name)
}

// joinNamespaces puts other processes' namespaces in the place of the spec's own.
// With that for IPC goes the other's /dev/shm, where POSIX keeps shared memory.
func joinNamespaces(spec *specs.Spec, joined map[specs.LinuxNamespaceType]int) {
	if len(joined) == 0 {
		return
	}
	spec.Linux.Namespaces = slices.Clone(spec.Linux.Namespaces)
	for i, ns := range spec.Linux.Namespaces {
		if pid := joined[ns.Type]; pid != 0 {
			spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", pid, ns.Type)
		}
	}
	pid := joined[specs.IPCNamespace]
	if pid == 0 {
		return
	}
	const shm = "/dev/shm"
	spec.Mounts = slices.Clone(spec.Mounts)
	for i, m := range spec.Mounts {
		if m.Destination == shm && m.Type == "tmpfs" {
			spec.Mounts[i] = specs.Mount{
				Destination: shm, Type: "bind", Source: fmt.Sprintf("/proc/%d/root%s", pid, shm),
				Options: []string{"bind", "private"},
			}
		}
	}
}

// CgroupPath is the control group of a container, below the top of each
// hierarchy.
func CgroupPath(id string, spec *specs.Spec) string {
	if spec != nil && spec.Linux != nil && spec.Linux.CgroupsPath != "" {
		return spec.Linux.CgroupsPath
	}
	return Groups + "/" + id
}

// Groups is the control group above those of containers. It stays when the last
// of them has gone, as docker's does: to make and remove it in each hierarchy
// costs a start one millisecond in twenty. A prune removes it.
const Groups = "/cove"

// etcFiles are bound over the root's /etc.
var etcFiles = [...]string{"hosts", "hostname", "resolv.conf"}

// writeFiles makes the files; hosts is completed when the address is known.
func writeFiles(r Request) error {
	content := map[string][]byte{
		"hosts":       network.Hosts(r.Net, network.State{}),
		"hostname":    []byte(r.Net.Hostname + "\n"),
		"resolv.conf": network.ResolvConf(r.Net),
	}
	for _, name := range etcFiles {
		path := filepath.Join(r.Files, name)
		if err := os.WriteFile(path, content[name], 0o644); err != nil {
			return fmt.Errorf("runner: writing %s: %w", name, err)
		}
		// World-readable whatever the umask: the container's users read it.
		if err := os.Chmod(path, 0o644); err != nil {
			return fmt.Errorf("runner: writing %s: %w", name, err)
		}
		if err := give(path, r.Root.IDMap); err != nil {
			return fmt.Errorf("runner: writing %s: %w", name, err)
		}
	}
	return nil
}

// give makes root of a user namespace the owner of a file.
func give(path string, owners mount.IDMap) error {
	uid, gid, ok := owners.Outside(0, 0)
	if !ok || uid == 0 && gid == 0 {
		return nil
	}
	return os.Chown(path, int(uid), int(gid))
}
