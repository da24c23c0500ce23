package browse

import (
	"context"
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse/about"
	"cove/registry/browse/files"
)

// IsChart says that the artifact is a Helm chart.
func (a *Artifact) IsChart() bool { return a.Config.MediaType == about.ChartConfig }

// IsModel says that the artifact is a model.
func (a *Artifact) IsModel() bool { return about.IsModelConfig(a.Config.MediaType) }

// Chart is a Helm chart in depth.
type Chart struct {
	about.Chart
	Readme, Values *files.Preview // nil if there is none, or none that can be read
}

// Chart reads what a chart says of itself, and the two files of it that people read
// before they install one. It is nil if its configuration cannot be read.
func (b *Browser) Chart(ctx context.Context, by auth.Caller, a *Artifact) (*Chart, error) {
	ctx = auth.WithCaller(ctx, by)
	config, err := b.configOf(ctx, a)
	if err != nil {
		return nil, err
	}
	said, unreadable := about.ParseChart(config)
	if unreadable != nil {
		return nil, nil //nolint:nilerr // nil says that it cannot be read
	}
	c := &Chart{Chart: said}
	layers, tree, err := b.tree(ctx, a, "")
	if err != nil {
		return c, unlessUnreadable(err)
	}
	for _, wanted := range []struct {
		to    **files.Preview
		names []string
	}{
		{&c.Readme, []string{"readme.md", "readme.txt", "readme"}},
		{&c.Values, []string{"values.yaml", "values.yml"}},
	} {
		e, ok := fileOf(tree, wanted.names)
		if !ok {
			continue
		}
		if *wanted.to, err = b.preview(ctx, layers, e); unlessUnreadable(err) != nil {
			return nil, err
		}
	}
	return c, nil
}

// unlessUnreadable passes over an archive that nobody can read: its page tells the rest.
func unlessUnreadable(err error) error {
	if errors.Is(err, errdefs.ErrInvalid) {
		return nil
	}
	return unlessGone(err)
}

// fileOf finds a file of a chart, whose archive has one directory, the chart's own.
func fileOf(tree *files.Tree, names []string) (files.Entry, bool) {
	top, _ := tree.List("", maxListed)
	for _, dir := range top {
		if !dir.Directory {
			continue
		}
		below, _ := tree.List(dir.Path, maxListed)
		for _, name := range names {
			for _, e := range below {
				if e.Regular && strings.EqualFold(e.Name, name) {
					return e, true
				}
			}
		}
	}
	return files.Entry{}, false
}

// Model reads what a model says of itself. It is nil if its configuration cannot be read.
func (b *Browser) Model(ctx context.Context, by auth.Caller, a *Artifact) (*about.Model, error) {
	config, err := b.configOf(auth.WithCaller(ctx, by), a)
	if err != nil {
		return nil, err
	}
	m, unreadable := about.ParseModel(a.Config.MediaType, config)
	if unreadable != nil {
		return nil, nil //nolint:nilerr // nil says that it cannot be read
	}
	return &m, nil
}

// Blob opens the bytes of an artifact that are to be saved as a file, and says under
// which name. It must be closed. What is none of the artifact is errdefs.ErrNotFound.
func (b *Browser) Blob(
	ctx context.Context, by auth.Caller, a *Artifact, dgst digest.Digest,
) (rd content.Reader, name string, err error) {
	for _, l := range append([]Layer{{Descriptor: a.Config}}, a.Layers...) {
		if l.Digest == dgst && dgst != "" {
			rd, err = b.registry.OpenBlob(auth.WithCaller(ctx, by), a.Name.Repository, dgst)
			return rd, fileName(l), err
		}
	}
	return nil, "", errdefs.Errorf(errdefs.ErrNotFound, "artifact %s has no blob %q", a.Name, dgst)
}

// fileName is under which name the bytes of a layer are saved: no path, nothing that
// hides the file.
func fileName(l Layer) string {
	name := strings.TrimLeft(path.Base(path.Clean("/"+strings.ReplaceAll(l.Title, `\`, "/"))), ".")
	if name != "" && name != "/" {
		return name
	}
	return l.Digest.Encoded()[:12] + extension(l.Descriptor)
}

// extension is what files of a media type end in.
func extension(desc ocispec.Descriptor) string {
	for _, known := range []struct{ part, ext string }{
		{"tar+gzip", ".tar.gz"},
		{"tar.gzip", ".tar.gz"},
		{"tar+zstd", ".tar.zst"},
		{"tar", ".tar"},
		{"json", ".json"},
		{"yaml", ".yaml"},
		{"gguf", ".gguf"},
		{"safetensors", ".safetensors"},
		{"text/plain", ".txt"},
	} {
		if strings.Contains(desc.MediaType, known.part) {
			return known.ext
		}
	}
	return ".bin"
}
