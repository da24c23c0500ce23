package engine

import (
	"context"
	"encoding/json"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/inspect"
	"cove/images"
)

// InspectImage tells everything about a local image, in docker's shape.
func (e *Engine) InspectImage(ctx context.Context, name string) (*inspect.Image, error) {
	store, err := e.images()
	if err != nil {
		return nil, err
	}
	img, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	driver, err := e.driver()
	if err != nil {
		return nil, err
	}
	cfg, err := imageConfig(img)
	if err != nil {
		return nil, err
	}
	out := &inspect.Image{
		ID: img.ID.String(), RepoTags: []string{}, RepoDigests: []string{},
		Created: img.Config.Created, Author: img.Config.Author, Config: cfg,
		Architecture: img.Config.Architecture, Variant: img.Config.Variant, Os: img.Config.OS, OsVersion: img.Config.OSVersion,
		Size:        store.Size(ctx, img),
		GraphDriver: inspect.GraphDriver{Name: driver, Data: e.imageDirs(ctx, img)},
		RootFS:      inspect.RootFS{Type: "layers"},
		Metadata:    inspect.ImageMetadata{LastTagTime: img.Updated},
		Descriptor: inspect.Descriptor{
			MediaType: img.Descriptor.MediaType, Digest: img.Descriptor.Digest.String(), Size: img.Descriptor.Size,
		},
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
func imageConfig(img images.Image) (*inspect.Config, error) {
	var raw struct {
		Config struct {
			ocispec.ImageConfig
			Healthcheck *inspect.Healthcheck
			OnBuild     []string
			Shell       []string
		} `json:"config"`
	}
	if err := json.Unmarshal(img.RawConfig, &raw); err != nil {
		return nil, fmt.Errorf("image %s: config: %w", img.ID, err)
	}
	c := raw.Config
	return &inspect.Config{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Cmd: c.Cmd, Entrypoint: c.Entrypoint,
		Volumes: c.Volumes, WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal,
		Healthcheck: c.Healthcheck, OnBuild: c.OnBuild, Shell: c.Shell,
	}, nil
}

// imageDirs are the directories of the image's layers; none when they are not
// unpacked.
func (e *Engine) imageDirs(ctx context.Context, img images.Image) map[string]string {
	snaps, err := e.snapshots()
	if err != nil {
		return nil
	}
	m, err := snaps.Mounts(ctx, string(img.ChainID()))
	if err != nil {
		return nil
	}
	data := graphDriver("", m, 0).Data
	if len(m.Lower) > 0 { // docker calls the top layer the upper one
		lower := m
		lower.Lower = m.Lower[1:]
		data = graphDriver("", lower, 0).Data
		data["UpperDir"] = m.Lower[0]
	}
	return data
}
