package browse

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/browse/about"
	"cove/registry/browse/files"
)

// maxListed is how many entries of a directory a page shows.
const maxListed = 1000

// FilesQuery asks for a path of an image: of one layer, or, when Layer is "", of
// all together.
type FilesQuery struct {
	Layer digest.Digest
	Path  string
}

// Files is a directory of an image, or a file.
type Files struct {
	Artifact *Artifact
	Path     string // without a slash at either end; the root is ""
	Entries  []files.Entry
	Cut      bool           // there is more than is shown
	Preview  *files.Preview // of a file; nil for a directory
}

// Files reads what is at a path of an image. What there is not is
// errdefs.ErrNotFound; an artifact that is no image is errdefs.ErrInvalid.
func (b *Browser) Files(ctx context.Context, by auth.Caller, name Name, q FilesQuery) (*Files, error) {
	a, err := b.Artifact(ctx, by, name)
	if err != nil {
		return nil, err
	}
	if !a.HasFiles() {
		return nil, invalid("artifact %s is neither an image with layers of files nor a chart", name)
	}
	ctx = auth.WithCaller(ctx, by)
	f := &Files{Artifact: a, Path: strings.Trim(path.Clean("/"+q.Path), "/")}
	layers, tree, err := b.tree(ctx, a, q.Layer)
	if err != nil {
		return nil, err
	}
	at, ok := tree.Find(f.Path)
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "artifact %s has no %q", name, "/"+f.Path)
	}
	f.Cut = tree.Cut
	if !at.Directory {
		f.Preview, err = b.preview(ctx, layers, at)
		return f, err
	}
	var more bool
	f.Entries, more = tree.List(f.Path, maxListed)
	f.Cut = f.Cut || more
	return f, nil
}

// HasFiles says whether the artifact has layers that are tars: those of an image, and
// the archive of a chart.
func (a *Artifact) HasFiles() bool { return slices.ContainsFunc(a.Layers, a.isTar) }

// isTar says that a layer is a tar that is looked into.
func (a *Artifact) isTar(l Layer) bool {
	return a.Image != nil || a.IsChart() && about.IsChartArchive(l.MediaType)
}

// mostOfSpace is how many files of each kind Space tells.
const mostOfSpace = 50

// Space is what takes the room in an image: its largest files, and those that a layer holds
// and one above it hides.
type Space struct {
	Artifact *Artifact
	files.Space
	Cut bool // not all layers were read to their end
}

// Number is the place of a layer in the image, from 1 for the lowest.
func (s *Space) Number(layer digest.Digest) int {
	return 1 + slices.IndexFunc(s.Artifact.Layers, func(l Layer) bool { return l.Digest == layer })
}

// Space reads all layers of an image. An artifact that is no image is errdefs.ErrInvalid.
func (b *Browser) Space(ctx context.Context, by auth.Caller, name Name) (*Space, error) {
	a, err := b.Artifact(ctx, by, name)
	if err != nil {
		return nil, err
	}
	if !a.HasFiles() {
		return nil, invalid("artifact %s is neither an image with layers of files nor a chart", name)
	}
	_, tree, err := b.tree(auth.WithCaller(ctx, by), a, "")
	if err != nil {
		return nil, err
	}
	return &Space{a, tree.Space(mostOfSpace), tree.Cut}, nil
}

func (b *Browser) tree(
	ctx context.Context, a *Artifact, only digest.Digest,
) (layers map[digest.Digest]files.Layer, t *files.Tree, err error) {
	layers = map[digest.Digest]files.Layer{}
	var stack []files.Layer
	for _, l := range a.Layers {
		if !a.isTar(l) {
			continue
		}
		layer := files.Layer{Digest: l.Digest, Open: func(ctx context.Context) (content.Reader, error) {
			return b.registry.OpenBlob(ctx, a.Name.Repository, l.Digest)
		}}
		layers[l.Digest] = layer
		stack = append(stack, layer)
	}
	if only == "" {
		t, err = b.files.Image(ctx, stack)
		return layers, t, err
	}
	layer, ok := layers[only]
	if !ok {
		return nil, nil, errdefs.Errorf(errdefs.ErrNotFound, "artifact %s has no layer %s", a.Name, only)
	}
	t, err = b.files.Layer(ctx, layer)
	return layers, t, err
}

func (b *Browser) preview(
	ctx context.Context, layers map[digest.Digest]files.Layer, e files.Entry,
) (*files.Preview, error) {
	layer, ok := layers[e.Layer]
	if !ok || !e.Regular {
		return &files.Preview{Size: e.Size}, nil
	}
	p, err := b.files.Preview(ctx, layer, e.Path)
	return &p, err
}
