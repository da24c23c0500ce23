package copier

import (
	"archive/tar"

	"cove/builder/plan"
)

// PlaceDir lays out the directory that WORKDIR makes: it and its parents where
// they are missing, owned by owner. Without any it is empty.
func PlaceDir(to Target, dir string, owner Owner) (*Layout, error) {
	l, err := (&Selection{}).Place(plan.Placement{}, to)
	if err != nil {
		return nil, err
	}
	l.runs = nil
	real, err := l.place.resolve(dir)
	if err != nil {
		return nil, err
	}
	missing, err := l.place.missingDirs(real)
	if err != nil {
		return nil, err
	}
	for _, d := range missing {
		l.put(item{name: d, hdr: &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, Uid: owner.UID, Gid: owner.GID}})
	}
	l.flush()
	return l, nil
}
