package dockertypes

import (
	"cove/volume"
)

// Volume is docker's `volume inspect`.
type Volume struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

// OfVolume describes a volume, whose files are at path.
func OfVolume(v volume.Volume, path string) *Volume {
	return &Volume{
		CreatedAt: Stamp(v.Created), Driver: "local", Labels: v.Labels, Mountpoint: path, Name: v.Name,
		Options: v.Options, Scope: "local",
	}
}
