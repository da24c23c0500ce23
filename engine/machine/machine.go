// Package machine tells what this machine is and has that containers are given
// or told of.
package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"cove/engine/runspec"
)

// Capabilities are the capabilities that this process has and so may hand on.
func Capabilities() ([]string, error) {
	caps, err := capability.NewPid2(0)
	if err == nil {
		err = caps.Load()
	}
	if err != nil {
		return nil, fmt.Errorf("reading this process's capabilities: %w", err)
	}
	names := []string{}
	for _, c := range capability.ListKnown() {
		if caps.Get(capability.BOUNDING, c) && caps.Get(capability.PERMITTED, c) {
			names = append(names, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return names, nil
}

// Limits is what the limits of a container are held to.
func Limits() runspec.Machine {
	return runspec.Machine{
		CPUs:  online("cpu", "0-"+strconv.Itoa(runtime.NumCPU()-1)),
		Nodes: online("node", "0"),
	}
}

// online is the kernel's list of what there is of a kind, or otherwise if it has
// no such list, as kernels without memory nodes.
func online(kind, otherwise string) string {
	b, err := os.ReadFile("/sys/devices/system/" + kind + "/online")
	if err != nil {
		return otherwise
	}
	return strings.TrimSpace(string(b))
}

// Devices lists the device nodes below /dev, for a privileged container;
// those that each container has of its own are left out.
func Devices() ([]runspec.Device, error) {
	own := map[string]bool{
		"/dev/pts": true, "/dev/shm": true, "/dev/mqueue": true, "/dev/fd": true,
		"/dev/console": true, "/dev/ptmx": true,
	}
	var devices []runspec.Device
	err := filepath.WalkDir("/dev", func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case own[path] && d.IsDir():
			return fs.SkipDir
		case own[path] || d.Type()&os.ModeDevice == 0:
			return nil
		}
		var st unix.Stat_t
		switch err := unix.Lstat(path, &st); {
		case errors.Is(err, unix.ENOENT):
			return nil // it went away
		case err != nil:
			return err
		}
		typ := "b"
		if st.Mode&unix.S_IFMT == unix.S_IFCHR {
			typ = "c"
		}
		devices = append(devices, runspec.Device{
			Path: path, Type: typ, Mode: st.Mode & 0o7777, UID: st.Uid, GID: st.Gid,
			Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		})
		return nil
	})
	return devices, err
}
