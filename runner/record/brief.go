package record

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/internal/leanjson"
)

// BriefFile is what lists show of a config, which is a tenth of it. It is written
// with config.json and never changes, as that does not. A record without it, or whose
// file a power cut has left empty, is read whole.
const BriefFile = "brief.json"

// Brief is the config without what lists show nothing of: of the runtime spec it has
// the command alone, of what was asked the ports of the image and the annotations.
// Nothing can be started by it.
func (c Config) Brief() Config {
	if c.Spec != nil {
		spec := &specs.Spec{}
		if c.Spec.Process != nil {
			spec.Process = &specs.Process{Args: c.Spec.Process.Args}
		}
		c.Spec = spec
	}
	if c.Asked != nil {
		c.Asked = &Asked{
			Image: ImageConfig{ExposedPorts: c.Asked.Image.ExposedPorts}, Annotations: c.Asked.Annotations,
		}
	}
	return c
}

// Brief reads Config.Brief, with what was changed since.
func (d Dir) Brief() (Config, error) {
	var cfg Config
	err := readFile(d.Path(BriefFile), func(data []byte) error { return leanjson.Unmarshal(data, &cfg) })
	if err != nil || cfg.ID != d.ID() {
		cfg, err = d.Config()
		return cfg.Brief(), err
	}
	u, err := d.updated()
	if err != nil || u == nil {
		return cfg, err
	}
	u.onto(&cfg)
	return cfg, nil
}
