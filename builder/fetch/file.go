package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/plan"
	"cove/errdefs"
)

// maxSize is how large a file ADD downloads.
const maxSize = 64 << 30

// Open opens what a URL gives. Close it.
func Open(ctx context.Context, client *http.Client, url string) (io.ReadCloser, error) {
	resp, err := get(ctx, client, url)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// get is a request whose answer has a body.
func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%s: %w", plan.ShowURL(url), err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	kind := errdefs.ErrUnavailable
	if resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone {
		kind = errdefs.ErrNotFound
	}
	return nil, errors.Join(errdefs.Errorf(kind, "%s: %s", plan.ShowURL(url), resp.Status), resp.Body.Close())
}

// File downloads src's URL into the directory dir, as its Name, compares it with
// the source's checksum, and gives it the time of the server's Last-Modified.
func File(ctx context.Context, client *http.Client, dir string, src plan.Source) (err error) {
	resp, err := get(ctx, client, src.URL)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
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
	n, err := io.Copy(sink, io.LimitReader(resp.Body, maxSize+1))
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", src.URL, err)
	case n > maxSize:
		return errdefs.Errorf(errdefs.ErrExhausted, "%s is larger than %d GiB", src.URL, maxSize>>30)
	case d != nil && d.Digest() != want:
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s: its digest is %s and not %s, as --checksum says", src.URL,
			d.Digest(), want)
	}
	// Without a time from the server the file is of 1970, as with BuildKit: when
	// it was downloaded says nothing of it.
	modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		modified = time.Unix(0, 0)
	}
	if err := root.Chtimes(src.Name, modified, modified); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	return nil
}
