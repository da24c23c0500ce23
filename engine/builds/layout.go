package builds

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/content"
	"cove/content/fsstore"
	"cove/distribution/manifest"
	"cove/errdefs"
	"cove/internal/platforms"
	"cove/reference"
)

// layout is an OCI image layout of somebody else's: a directory to read.
type layout struct {
	root *os.Root
	into *fsstore.Store
	hold content.Lease
}

// resolveLayout brings the image that a context "oci-layout://DIRECTORY[:TAG|@DIGEST]"
// means here, for one platform.
func (r resolver) resolveLayout(ctx context.Context, name string, p ocispec.Platform) (base builder.Base, err error) {
	dir, tag, dgst, err := parseLayout(name)
	if err != nil {
		return base, err
	}
	blobs, err := r.e.Content()
	if err != nil {
		return base, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return base, errdefs.Errorf(errdefs.ErrNotFound, "%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	l := layout{root: root, into: blobs, hold: r.hold}
	desc, err := l.find(tag, dgst)
	if err == nil {
		err = l.bring(ctx, &desc, p)
	}
	if err != nil {
		return base, errdefs.Errorf(errdefs.KindOf(err), "%s: %w", name, err)
	}
	store, err := r.e.Images()
	if err != nil {
		return base, err
	}
	img, err := store.Open(ctx, desc, p)
	if err != nil {
		return base, err
	}
	base = baseOf(name, img)
	base.Name = name
	return base, nil
}

// parseLayout takes the name of a layout apart.
func parseLayout(name string) (dir, tag string, dgst digest.Digest, err error) {
	rest := strings.TrimPrefix(name, builder.LayoutContext)
	dir, sum, hasSum := strings.Cut(rest, "@")
	if hasSum {
		dgst, err = reference.ParseDigest(sum)
	} else if i := strings.LastIndex(dir, ":"); i > strings.LastIndex(dir, "/") {
		dir, tag = dir[:i], dir[i+1:]
	}
	if err == nil && dir == "" {
		err = errdefs.Errorf(errdefs.ErrInvalid, "%s: want oci-layout://DIRECTORY[:TAG|@DIGEST]", name)
	}
	return dir, tag, dgst, err
}

// find finds an image in the index of the layout: the one of the digest, of the
// tag, or the only one.
func (l layout) find(tag string, dgst digest.Digest) (ocispec.Descriptor, error) {
	body, err := l.read(ocispec.ImageIndexFile)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	var index ocispec.Index
	if err := json.Unmarshal(body, &index); err != nil {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", ocispec.ImageIndexFile, err)
	}
	var names []string
	for _, d := range index.Manifests {
		ref := d.Annotations[ocispec.AnnotationRefName]
		names = append(names, ref)
		switch {
		case dgst != "" && d.Digest == dgst,
			tag != "" && (ref == tag || strings.HasSuffix(ref, ":"+tag)),
			dgst == "" && tag == "" && len(index.Manifests) == 1:
			d.Annotations = nil
			return d, nil
		}
	}
	return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrNotFound, "it has no such image; it has %s",
		strings.Join(names, ", "))
}

func (l layout) read(name string) ([]byte, error) {
	f, err := l.root.Open(name)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, content.MaxRead+1))
	if err == nil && len(body) > content.MaxRead {
		err = errdefs.Errorf(errdefs.ErrExhausted, "%s is larger than %d bytes", name, content.MaxRead)
	}
	return body, err
}

// bring stores the manifest of a platform with all it refers to, and makes desc
// its descriptor.
func (l layout) bring(ctx context.Context, desc *ocispec.Descriptor, p ocispec.Platform) error {
	const deepest = 3
	for depth := 0; ; depth++ {
		if err := l.blob(ctx, *desc); err != nil {
			return err
		}
		body, err := content.ReadBlob(ctx, l.into, *desc)
		if err != nil {
			return err
		}
		m, err := manifest.Parse(desc.MediaType, body)
		if err != nil {
			return err
		}
		if !manifest.IsIndex(m.MediaType) {
			desc.MediaType = m.MediaType
			for _, d := range m.Blobs() {
				if err := l.blob(ctx, d); err != nil {
					return err
				}
			}
			return nil
		}
		if depth == deepest {
			return errdefs.Errorf(errdefs.ErrInvalid, "its indexes are nested deeper than %d", deepest)
		}
		if *desc, err = platforms.Choose(m.Manifests, p); err != nil {
			return err
		}
	}
}

// blob stores one blob, whose bytes are compared with its digest.
func (l layout) blob(ctx context.Context, d ocispec.Descriptor) error {
	if _, err := reference.ParseDigest(d.Digest.String()); err != nil {
		return err
	}
	if err := l.hold.Add(ctx, d.Digest.String()); err != nil {
		return err
	}
	if info, err := l.into.Stat(ctx, d.Digest); err == nil && info.Size == d.Size {
		return nil
	}
	f, err := l.root.Open(path.Join("blobs", d.Digest.Algorithm().String(), d.Digest.Encoded()))
	if err != nil {
		return errdefs.Errorf(errdefs.ErrNotFound, "%w", err)
	}
	defer f.Close()
	return content.WriteBlob(ctx, l.into, d, f)
}

// isLayout says whether a base came from a layout, and so has no registry.
func isLayout(name string) bool { return strings.HasPrefix(name, builder.LayoutContext) }
