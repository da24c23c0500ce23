package image

import (
	"encoding/json"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Config says how containers of an image run: the image specification's fields, and
// those that docker adds to them (Healthcheck, OnBuild, Shell), as it writes them.
type Config struct {
	ocispec.ImageConfig
	Added map[string]json.RawMessage
}

// Of writes the config of an image, with the fields that docker adds.
func (c Config) Of(img ocispec.Image) ([]byte, error) {
	raw, err := json.Marshal(img)
	if err != nil || len(c.Added) == 0 {
		return raw, err
	}
	return c.Into(raw)
}

// Into puts the fields that docker adds into the config of an image.
func (c Config) Into(raw []byte) ([]byte, error) {
	var whole, config map[string]json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(whole["config"], &config); err != nil {
		return nil, err
	}
	maps.Copy(config, c.Added)
	var err error
	if whole["config"], err = json.Marshal(config); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}
