package mounts

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"cove/engine/runspec"
	"cove/errdefs"
)

// checkPropagations refuses, as docker does, a bind that is to pass mounts on, or to be passed them, whose
// source is on a mount of the host that does not.
func checkPropagations(volumes []runspec.Volume) error {
	for _, v := range volumes {
		how := strings.TrimPrefix(v.Propagation, "r")
		if !path.IsAbs(v.Source) || how != "shared" && how != "slave" {
			continue
		}
		source, err := filepath.EvalSymlinks(v.Source)
		if err != nil {
			continue // what is not there is told, or made, later
		}
		info, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return err
		}
		if err := checkPropagation(string(info), source, how); err != nil {
			return err
		}
	}
	return nil
}

// checkPropagation is checkPropagations of one source, by the text of proc_pid_mountinfo(5).
func checkPropagation(info, source, how string) error {
	at, shared, slave := "", false, false
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(info) {
		words := strings.Fields(line)
		if len(words) < 7 {
			continue
		}
		point := unescape.Replace(words[4])
		if len(point) < len(at) || source != point && !strings.HasPrefix(source, strings.TrimSuffix(point, "/")+"/") {
			continue
		}
		at, shared, slave = point, false, false // of several at one place the last one is seen
		for _, field := range words[6:] {
			if field == "-" {
				break
			}
			shared = shared || strings.HasPrefix(field, "shared:")
			slave = slave || strings.HasPrefix(field, "master:")
		}
	}
	switch {
	case at == "" || shared || how == "slave" && slave:
		return nil
	case how == "slave":
		return errdefs.Errorf(errdefs.ErrInvalid,
			"path %s is mounted on %s but it is not a shared or slave mount", source, at)
	}
	return errdefs.Errorf(errdefs.ErrInvalid,
		"path %s is mounted on %s but it is not a shared mount", source, at)
}
