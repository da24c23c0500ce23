package runspec

import (
	"cmp"
	"encoding/json"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Record is what is kept with a container so that it can be shown, and its
// volumes found, later.
type Record struct {
	Options Options             `json:"options"`
	Image   ocispec.ImageConfig `json:"imageConfig"`
	Mounts  []Mounted           `json:"mounts,omitempty"`
}

// Mounted is one resolved volume or bind.
type Mounted struct {
	Type   string `json:"type"` // "bind" or "volume"
	Name   string `json:"name,omitempty"`
	Source string `json:"source"`
	Asked  Volume `json:"asked"`
	// Anonymous is a volume that was made for this container without a name, and
	// goes with it.
	Anonymous bool `json:"anonymous,omitempty"`
}

// ReadRecord reads a record back. A container that was made otherwise, as by
// another engine, has the zero record.
func ReadRecord(raw []byte) Record {
	var r Record
	if json.Unmarshal(raw, &r) != nil {
		return Record{}
	}
	return r
}

// Volumes are the names of the volumes among the mounts.
func (r Record) Volumes() []string {
	var names []string
	for _, m := range r.Mounts {
		if m.Name != "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// Anonymous are the names of the volumes that go with the container.
func Anonymous(mounts []Mounted) []string {
	var names []string
	for _, m := range mounts {
		if m.Anonymous {
			names = append(names, m.Name)
		}
	}
	return names
}

// Config is what the container was told to be, as the config of an image: the
// image's own with the user's options over it.
func (r Record) Config() ocispec.ImageConfig {
	cfg, o := r.Image, r.Options
	if o.Entrypoint != nil {
		cfg.Entrypoint, cfg.Cmd = o.Entrypoint, nil
	}
	if len(o.Command) > 0 {
		cfg.Cmd = o.Command
	}
	cfg.User = cmp.Or(o.User, cfg.User)
	cfg.WorkingDir = cmp.Or(o.Workdir, cfg.WorkingDir)
	cfg.StopSignal = cmp.Or(o.StopSignal, cfg.StopSignal)
	cfg.Env = MergeEnv(cfg.Env, o.Env)
	cfg.Labels = Labels(r.Image, o)
	return cfg
}
