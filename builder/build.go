package builder

import (
	"context"
	"errors"
	"runtime"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/builder/plan"
	"cove/errdefs"
	"cove/internal/platforms"
)

// Build builds one image. An instruction that fails is an error that begins
// with its file, line and text; a program that failed is an *ExitError inside
// it. On error, and when ctx ends, nothing stays behind but cache records of
// the steps that finished.
func (b *Builder) Build(ctx context.Context, req Request) (*Result, error) {
	results, err := b.BuildAll(ctx, []Request{req})
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// withSource gives an error at a line the text that the line is in.
func withSource(err error, text []byte) error {
	if at := (*plan.Error)(nil); errors.As(err, &at) && at.Source == nil {
		at.Source = text
	}
	return err
}

// complete fills in what the request leaves open.
func (r *Request) complete() error {
	if r.Context == "" {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"build: a context is needed: a directory, or - for a tar archive on stdin")
	}
	if err := errors.Join(r.completePlatforms(), r.checkSquash()); err != nil {
		return err
	}
	if _, err := r.packing().Compression.MediaType(); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid,
			"build: compression %q is not one of gzip, zstd, estargz, none", r.Compression)
	}
	return nil
}

// completePlatforms fills in this machine's, and leaves out what is named twice.
func (r *Request) completePlatforms() error {
	if len(r.Platforms) == 0 {
		r.Platforms = []ocispec.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	}
	var kept []ocispec.Platform
	for _, p := range r.Platforms {
		if p.OS != "linux" {
			return errdefs.Errorf(errdefs.ErrUnsupported, "build: platform %s: only linux images are built", p.OS)
		}
		same := func(q ocispec.Platform) bool { return platforms.Format(p) == platforms.Format(q) }
		if !slices.ContainsFunc(kept, same) {
			kept = append(kept, p)
		}
	}
	r.Platforms = kept
	return nil
}

// diskFull gives an error that came from a full disk its kind.
func diskFull(err error) error {
	if errors.Is(err, unix.ENOSPC) && !errors.Is(err, errdefs.ErrExhausted) {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrExhausted, "%w", err), errdefs.Prune, "")
	}
	return err
}
