package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/runner/record"
)

// Devices lists the device nodes below /dev, for a privileged container;
// those that each container has of its own are left out.
func Devices() ([]runspec.Device, error) {
	own := []string{"/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/ptmx"}
	return devicesBelow("/dev", func(name string) bool { return slices.Contains(own, name) })
}

func devicesBelow(dir string, own func(name string) bool) ([]runspec.Device, error) {
	var devices []runspec.Device
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case own(name) && d.IsDir():
			return fs.SkipDir
		case own(name) || d.Type()&os.ModeDevice == 0:
			return nil
		}
		found, err := node(name)
		if errors.Is(err, unix.ENOENT) {
			return nil // it went away
		}
		devices = append(devices, found)
		return err
	})
	return devices, err
}

// node is a device node; ErrInvalid is anything else.
func node(name string) (runspec.Device, error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return runspec.Device{}, err
	}
	d := runspec.Device{
		Path: name, Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
		Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		d.Type = "c"
	case unix.S_IFBLK:
		d.Type = "b"
	default:
		return d, errdefs.Errorf(errdefs.ErrInvalid, "%s is not a device node", name)
	}
	return d, nil
}

// Device is what a container gets of a device of the host, or of a directory of
// some.
func Device(asked record.Device) ([]runspec.Device, error) {
	source, err := filepath.EvalSymlinks(asked.Source)
	if err != nil {
		return nil, gathering(asked.Source, err)
	}
	info, err := os.Stat(source)
	if err != nil {
		return nil, gathering(asked.Source, err)
	}
	found := make([]runspec.Device, 1)
	if info.IsDir() {
		found, err = devicesBelow(source, func(string) bool { return false })
	} else {
		found[0], err = node(source)
	}
	if err == nil && len(found) == 0 {
		err = errdefs.Errorf(errdefs.ErrInvalid, "not a device node, and a directory with none")
	}
	if err != nil {
		return nil, gathering(asked.Source, err)
	}
	for i := range found {
		found[i].Path = asked.Target + strings.TrimPrefix(found[i].Path, source)
		found[i].Access = asked.Access
	}
	return found, nil
}

func gathering(name string, err error) error {
	kind := errdefs.KindOf(err)
	if errors.Is(err, fs.ErrNotExist) {
		kind = errdefs.ErrNotFound
	}
	if kind == nil {
		kind = errdefs.ErrInvalid
	}
	return errdefs.Errorf(kind, "error gathering device information while adding device %q: %w", name, err)
}

// Blocks are the block devices that limits name.
func Blocks(rates []record.DeviceRate) (map[string]runspec.Device, error) {
	blocks := map[string]runspec.Device{}
	for _, r := range rates {
		d, err := node(r.Path)
		if err == nil && d.Type != "b" {
			err = errdefs.Errorf(errdefs.ErrInvalid, "it is no block device")
		}
		if err != nil {
			return nil, gathering(r.Path, err)
		}
		blocks[r.Path] = d
	}
	return blocks, nil
}
