package dockertypes

import (
	"bytes"
	"encoding/json"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/images/image"
	"cove/layers/mount"
)

// OfImage describes a local image. driver is the storage driver's name, root
// the snapshot of all its layers, or zero when they are not unpacked, and size
// what they take.
func OfImage(img image.Image, driver string, root mount.Mount, size int64) (*Image, error) {
	cfg, err := imageConfig(img)
	if err != nil {
		return nil, err
	}
	out := &Image{
		ID: img.ID.String(), RepoTags: []string{}, RepoDigests: []string{},
		Author: img.Config.Author, Config: cfg,
		Architecture: img.Config.Architecture, Variant: img.Config.Variant, Os: img.Config.OS,
		OsVersion:   img.Config.OSVersion,
		Size:        size,
		GraphDriver: GraphDriver{Name: driver, Data: imageDirs(root)},
		RootFS:      RootFS{Type: "layers"},
		Metadata:    ImageMetadata{LastTagTime: img.Updated},
		Descriptor: Descriptor{
			MediaType: img.Descriptor.MediaType, Digest: img.Descriptor.Digest.String(), Size: img.Descriptor.Size,
		},
	}
	if made := img.Config.Created; made != nil {
		out.Created = Stamp(*made)
	}
	for _, n := range img.Names {
		out.RepoTags = append(out.RepoTags, n.Familiar())
	}
	for _, d := range img.Digests {
		out.RepoDigests = append(out.RepoDigests, d.Familiar())
	}
	for _, id := range img.DiffIDs() {
		out.RootFS.Layers = append(out.RootFS.Layers, string(id))
	}
	if n := len(img.Config.History); n > 0 {
		out.Comment = img.Config.History[n-1].Comment
	}
	return out, nil
}

// imageConfig reads the config with the fields that the OCI struct lacks.
func imageConfig(img image.Image) (*Config, error) {
	var raw struct {
		Config struct {
			ocispec.ImageConfig
			Healthcheck *Healthcheck
			OnBuild     []string
			Shell       []string
		} `json:"config"`
	}
	if err := json.Unmarshal(img.RawConfig, &raw); err != nil {
		return nil, fmt.Errorf("image %s: config: %w", img.ID, err)
	}
	c := raw.Config
	return &Config{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Entrypoint: c.Entrypoint,
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal,
		Healthcheck: c.Healthcheck, OnBuild: c.OnBuild, Shell: c.Shell,
	}, nil
}

// HealthcheckOf is the HEALTHCHECK of an image's config; nil when it has none,
// or NONE.
func HealthcheckOf(img image.Image) (*Healthcheck, error) {
	if !bytes.Contains(img.RawConfig, []byte(`"Healthcheck"`)) {
		return nil, nil
	}
	c, err := imageConfig(img)
	if err != nil || c.Healthcheck == nil || len(c.Healthcheck.Test) == 0 || c.Healthcheck.Test[0] == "NONE" {
		return nil, err
	}
	return c.Healthcheck, nil
}

// ShellOf is the SHELL of an image's config, nil when it has none.
func ShellOf(img image.Image) ([]string, error) {
	if !bytes.Contains(img.RawConfig, []byte(`"Shell"`)) {
		return nil, nil
	}
	c, err := imageConfig(img)
	if err != nil {
		return nil, err
	}
	return c.Shell, nil
}

// imageDirs are the directories of an image's layers.
func imageDirs(root mount.Mount) map[string]string {
	if root.Type == "" {
		return nil
	}
	data := graphDriver("", root, 0).Data
	if len(root.Lower) > 0 { // docker calls the top layer the upper one
		lower := root
		lower.Lower = root.Lower[1:]
		data = graphDriver("", lower, 0).Data
		data["UpperDir"] = root.Lower[0]
	}
	return data
}
