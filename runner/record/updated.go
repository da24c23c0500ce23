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
	if err := d.needed(configFile, d.read(configFile, &cfg)); err != nil {
		return cfg, err
	}
	u, err := d.updated()
	if err != nil || u == nil {
		return cfg, err
	}
	u.onto(&cfg)
	if cfg.Spec != nil && cfg.Spec.Linux != nil {
		cfg.Spec.Linux.Resources = u.Limits
	}
	if cfg.Asked != nil {
		cfg.Asked.Resources = u.Resources
	}
	return cfg, nil
}

// updated reads the file; nil without one.
func (d Dir) updated() (*Updated, error) {
	var u Updated
	if err := d.read(updatedFile, &u); errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &u, nil
}

// onto puts over a config what lists show, too.
func (u *Updated) onto(cfg *Config) {
	cfg.Restart = u.Restart
	if u.Published {
		cfg.Network.Ports = u.Ports
	}
}

// SetUpdated replaces the file.
func (d Dir) SetUpdated(u Updated) error {
	data, err := leanjson.Marshal(u)
	if err != nil {
		return err
	}
	return d.Write(updatedFile, data, true)
}
