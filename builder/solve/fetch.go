package solve

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"cove/builder/buildctx"
	"cove/builder/plan"
	"cove/errdefs"
)

// maxFetch is how large a file ADD downloads.
const maxFetch = 64 << 30

// fetcher keeps what ADD downloaded until the step is done.
type fetcher struct {
	solver *solver
	trees  []*buildctx.Tree
	dirs   []string
}

func (f *fetcher) close() {
	for _, t := range f.trees {
		t.Close()
	}
	for _, d := range f.dirs {
		os.RemoveAll(d)
	}
}

// fetch downloads one URL into a tree that holds only it.
func (f *fetcher) fetch(ctx context.Context, src plan.Source) (*buildctx.Tree, error) {
	dir := filepath.Join(f.solver.State, "tmp", rand.Text())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	f.dirs = append(f.dirs, dir)
	if err := f.download(ctx, dir, src); err != nil {
		return nil, err
	}
	t, err := buildctx.Open(dir, nil, nil)
	if err == nil {
		f.trees = append(f.trees, t)
	}
	return t, err
}

func (f *fetcher) download(ctx context.Context, dir string, src plan.Source) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src.URL, nil)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", src.URL, err)
	}
	resp, err := f.solver.HTTP.Do(req)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "%w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return errdefs.Errorf(errdefs.ErrNotFound, "%s: %s", src.URL, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %s", src.URL, resp.Status)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	defer root.Close()
	// What ADD downloads is readable by root alone, as with docker.
	out, err := root.OpenFile(src.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s: file name %q: %w", src.URL, src.Name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var sink io.Writer = out
	want := digest.Digest(src.Checksum)
	var d digest.Digester
	if want != "" {
		d = want.Algorithm().Digester()
		sink = io.MultiWriter(out, d.Hash())
	}
	n, err := io.Copy(sink, io.LimitReader(resp.Body, maxFetch+1))
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", src.URL, err)
	case n > maxFetch:
		return errdefs.Errorf(errdefs.ErrExhausted, "%s is larger than %d GiB", src.URL, maxFetch>>30)
	case d != nil && d.Digest() != want:
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s: its digest is %s and not %s, as --checksum says", src.URL, d.Digest(), want)
	}
	return nil
}
