package runspec

import (
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
	// Anonymous volumes go with the container.
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
