package record

import (
	"errors"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/internal/leanjson"
	"cove/network/publish"
)

// Updated is what of a container's config was changed after it was made: the file
// "updated", which whoever holds the control lock writes, and which Dir.Config puts
// over config.json.
type Updated struct {
	// Limits are those of the runtime spec, Resources the same as they were asked for.
	Limits    *specs.LinuxResources `json:"limits,omitempty"`
	Resources Resources             `json:"resources,omitzero"`
	Restart   RestartPolicy         `json:"restart,omitzero"`
	// Ports are those published, if Published says that they are other than before.
	Published bool           `json:"published,omitempty"`
	Ports     []publish.Port `json:"ports,omitempty"`
}

const updatedFile = "updated"

// Config is what the container was asked to be, with what was changed since.
func (d Dir) Config() (Config, error) {
	var cfg Config
	if err := d.read("config.json", &cfg); err != nil {
		return cfg, err
	}
	var u Updated
	switch err := d.read(updatedFile, &u); {
	case errors.Is(err, errdefs.ErrNotFound):
		return cfg, nil
	case err != nil:
		return cfg, err
	}
	cfg.Restart = u.Restart
	if u.Published {
		cfg.Network.Ports = u.Ports
	}
	if cfg.Spec != nil && cfg.Spec.Linux != nil {
		cfg.Spec.Linux.Resources = u.Limits
	}
	if cfg.Asked != nil {
		cfg.Asked.Resources = u.Resources
	}
	return cfg, nil
}

// SetUpdated replaces the file.
func (d Dir) SetUpdated(u Updated) error {
	data, err := leanjson.Marshal(u)
	if err != nil {
		return err
	}
	return d.Write(updatedFile, data, true)
}
