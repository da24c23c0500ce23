package doctor

import (
	"path/filepath"

	"cove/runner/record"
	"cove/runner/sources"
)

// Unmount takes away what is mounted of volumes that no container which lives has. It
// tells what it did, a line each.
func Unmount(root string) (done []string, err error) {
	used, err := record.VolumesOfTheLiving(root, "")
	if err != nil {
		return nil, err
	}
	x := examination{root: root}
	for _, name := range x.names(filepath.Join(root, "volumes")) {
		path := filepath.Join(root, "volumes", name, "_data")
		if used[name] || !sources.Mounted(path) {
			continue
		}
		if err := sources.Unmount(path); err != nil {
			return done, err
		}
		done = append(done, "mount "+path)
	}
	return done, nil
}
