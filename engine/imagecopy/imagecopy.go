// Package imagecopy copies images and artifacts between registries and OCI layouts
// by their names, past the local images.
package imagecopy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/client"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/distribution/errcode"
	"cove/distribution/progress"
	"cove/engine"
	"cove/errdefs"
	"cove/images/remote/linked"
	"cove/images/transfer"
	"cove/internal/platforms"
	"cove/reference"
)

// Options are the choices of Copy.
type Options struct {
	// Platforms are the images that are copied of several, OS/ARCH[/VARIANT]; none is
	// all.
	Platforms []string
	// Referrers and Progress are those of copy.Options. Progress hears of blobs alone,
	// and of what the source's name stands for.
	Referrers bool
	Progress  progress.Func
}

// Copy copies what src names to dst, and returns what was copied. Errors are those
// of copy.Copy; it is errdefs.ErrInvalid when dst is named by a digest, which only
// what is copied can give it.
func Copy(ctx context.Context, eng *engine.Engine, src, dst Place, opts Options) (ocispec.Descriptor, error) {
	if dst.Digest != "" {
		return ocispec.Descriptor{}, errdefs.Errorf(errdefs.ErrInvalid,
			"copying to %s: its digest comes from what is copied; give it a tag", dst)
	}
	var only []ocispec.Platform
	for _, name := range opts.Platforms {
		p, err := platforms.Parse(name)
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		only = append(only, p)
	}
	registry, err := clientOf(eng)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	from, closeFrom, err := src.source(registry, opts.Progress)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer func() { _ = closeFrom() }() // only read, it has nothing to say
	to, closeTo, err := dst.target(registry)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	// A layout without a tag has only one image, which "" names.
	desc, err := copy.Copy(ctx, to, from, src.Object(), copy.Options{
		Tag: dst.Tag, Platforms: only, Referrers: opts.Referrers, Progress: blobsOnly(opts.Progress),
	})
	err = errors.Join(err, closeTo())
	if err != nil {
		return ocispec.Descriptor{}, explain(ctx, registry, src, dst, err)
	}
	return desc, nil
}

// blobsOnly leaves the events of manifests out: people count layers.
func blobsOnly(tell progress.Func) progress.Func {
	if tell == nil {
		return nil
	}
	blobs := map[digest.Digest]bool{}
	return func(e progress.Event) {
		// Waiting comes for all of them, in order, before any other event of theirs.
		if e.Kind == progress.Waiting {
			blobs[e.Desc.Digest] = true
		}
		if e.Kind == progress.Resolved || blobs[e.Desc.Digest] {
			tell(e)
		}
	}
}

// clientOf is the engine's client of registries.
func clientOf(eng *engine.Engine) (*client.Client, error) {
	registries, err := eng.Registry()
	if err != nil {
		return nil, err
	}
	return linked.Client(registries), nil
}

// explain says what was copied, and what a registry that refused would need.
func explain(ctx context.Context, registry *client.Client, src, dst Place, err error) error {
	said := fmt.Errorf("copying %s to %s: %w", src, dst, err)
	var at *errdefs.Error
	var answer *errcode.Error
	if !errors.As(err, &at) || !errors.As(err, &answer) {
		return said
	}
	kind := errdefs.KindOf(err)
	if !errors.Is(kind, errdefs.ErrDenied) && !errors.Is(kind, errdefs.ErrUnauthenticated) {
		return said
	}
	for _, p := range []Place{src, dst} {
		if p.Layout == "" && p.Name() == at.Side {
			return transfer.Refused(ctx, registry.SignedIn, p.Registry, said)
		}
	}
	return said
}

// Place is one end of a copy by its name.
type Place struct {
	// Layout is the directory of an OCI layout; "" is a registry, by Reference.
	Layout string
	// Reference has of a layout Tag and Digest alone.
	reference.Reference
}

// Prefix begins the name of a layout.
const Prefix = "oci:"

// Parse reads an image reference, or oci:DIR[:TAG|@DIGEST]. As in other tools, TAG
// is all after the first colon: layouts may have docker.io/library/redis:7 for one.
func Parse(name string) (p Place, err error) {
	rest, isLayout := strings.CutPrefix(name, Prefix)
	if !isLayout {
		p.Reference, err = reference.Parse(name)
		return p, err
	}
	p.Layout = rest
	if i := strings.LastIndex(rest, "@sha"); i >= 0 && !strings.Contains(rest[i:], "/") {
		p.Layout = rest[:i]
		if p.Digest, err = reference.ParseDigest(rest[i+1:]); err != nil {
			return p, err
		}
	} else if dir, tag, tagged := strings.Cut(rest, ":"); tagged {
		p.Layout, p.Tag = dir, tag
		if !validRefName(tag) {
			return p, errdefs.Errorf(errdefs.ErrInvalid, "%q: %q is no tag of a layout: it is oci:DIR:TAG", name, tag)
		}
	}
	if p.Layout == "" {
		return p, errdefs.Errorf(errdefs.ErrInvalid, "%q names no directory: it is oci:DIR or oci:DIR:TAG", name)
	}
	return p, nil
}

// validRefName is the grammar of org.opencontainers.image.ref.name (image-spec,
// "Pre-Defined Annotation Keys"), but for which separators may follow on each other.
func validRefName(s string) bool {
	alnum := func(r rune) bool { return r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	inner := strings.TrimFunc(s, alnum)
	for _, r := range inner {
		if !alnum(r) && !strings.ContainsRune("-._:@/+", r) {
			return false
		}
	}
	return s != "" && alnum(rune(s[0])) && alnum(rune(s[len(s)-1]))
}

// ParseTarget is Parse of where something is copied to: without a tag it gets
// the tag latest, in a layout too.
func ParseTarget(name string) (Place, error) {
	p, err := Parse(name)
	if err == nil && p.Tag == "" && p.Digest == "" {
		p.Tag = reference.DefaultTag
	}
	return p, err
}

// String is the name as people write it.
func (p Place) String() string {
	switch {
	case p.Layout == "":
		return p.Familiar()
	case p.Digest != "":
		return Prefix + p.Layout + "@" + p.Digest.String()
	case p.Tag != "":
		return Prefix + p.Layout + ":" + p.Tag
	}
	return Prefix + p.Layout
}

func nothing() error { return nil }

// source opens the place to be copied from, until it is closed.
func (p Place) source(registry *client.Client, tell progress.Func) (copy.Source, func() error, error) {
	if p.Layout == "" {
		return &copy.Remote{Repo: registry.Repository(p.Registry, p.Repository), Progress: tell}, nothing, nil
	}
	dir, err := layout.Open(p.Layout)
	if err != nil {
		return nil, nil, err
	}
	return dir, dir.Close, nil
}

// target opens the place to be copied to, until it is closed.
func (p Place) target(registry *client.Client) (copy.Target, func() error, error) {
	if p.Layout == "" {
		return &copy.Remote{Repo: registry.Repository(p.Registry, p.Repository)}, nothing, nil
	}
	dir, err := layout.Create(p.Layout)
	if err != nil {
		return nil, nil, err
	}
	return dir, dir.Close, nil
}
