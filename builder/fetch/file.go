package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/builder/lockfile"
	"cove/builder/plan"
	"cove/errdefs"
)

// maxSize is how large a file ADD downloads.
const maxSize = 64 << 30

// maxRest is how much may follow behind the end of an archive.
const maxRest = 64 << 20

// Read has what a URL gives read by use, and compares all of it with what the lock says.
// use is told the server's Last-Modified, nil for none.
func Read(
	ctx context.Context, client *http.Client, url string, lock *lockfile.Lock,
	use func(body io.Reader, modified *time.Time) error,
) error {
	want, err := lock.AskURL(url)
	if err != nil {
		return err
	}
	resp, err := get(ctx, client, url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := algorithm(want).Digester()
	body := io.TeeReader(resp.Body, d.Hash())
	if err := use(body, modified(resp)); err != nil {
		return err
	}
	// An archive may end before the file does, but whoever sends it must end, too.
	switch n, err := io.Copy(io.Discard, io.LimitReader(body, maxRest+1)); {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", plan.ShowURL(url), err)
	case n > maxRest:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s goes on for more than %d MiB behind the end of its archive",
			plan.ShowURL(url), maxRest>>20)
	}
	if got := d.Digest(); want != "" && got != want {
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s: its digest is %s and not %s, as the lock file says",
			plan.ShowURL(url), got, want)
	}
	lock.NoteURL(url, d.Digest())
	return nil
}

// modified is the time that a server says, or nil.
func modified(resp *http.Response) *time.Time {
	at, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		return nil
	}
	at = at.UTC()
	return &at
}

// Modified asks a server for the time of a URL without its body. It is nil for a server
// that says none.
func Modified(ctx context.Context, client *http.Client, url string) *time.Time {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil
	}
	return modified(resp)
}

// algorithm is that of a digest, or the usual one.
func algorithm(d digest.Digest) digest.Algorithm {
	if d == "" {
		return digest.Canonical
	}
	return d.Algorithm()
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
// the source's checksum or else with what the lock says, and gives it the time of the
// server's Last-Modified.
func File(ctx context.Context, client *http.Client, dir string, src plan.Source, lock *lockfile.Lock) (err error) {
	want, by := digest.Digest(src.Checksum), "--checksum"
	if want == "" {
		if want, err = lock.AskURL(src.URL); err != nil {
			return err
		}
		by = "the lock file"
	}
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
	got, err := download(root, src, resp.Body, algorithm(want))
	if err != nil {
		return err
	}
	if want != "" && got != want {
		return errdefs.Errorf(errdefs.ErrCorrupt, "%s: its digest is %s and not %s, as %s says",
			plan.ShowURL(src.URL), got, want, by)
	}
	if src.Checksum == "" {
		lock.NoteURL(src.URL, got)
	}
	// Without a time from the server the file is of 1970, as with BuildKit: when
	// it was downloaded says nothing of it.
	at := time.Unix(0, 0)
	if said := modified(resp); said != nil {
		at = *said
	}
	if err := root.Chtimes(src.Name, at, at); err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "build: %w", err)
	}
	return nil
}

// download writes a body as src's Name, and returns its digest.
func download(
	root *os.Root, src plan.Source, body io.Reader, by digest.Algorithm,
) (sum digest.Digest, err error) {
	// What ADD downloads is readable by root alone, as with docker.
	out, err := root.OpenFile(src.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "%s: file name %q: %w", plan.ShowURL(src.URL), src.Name, err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	d := by.Digester()
	n, err := io.Copy(io.MultiWriter(out, d.Hash()), io.LimitReader(body, maxSize+1))
	switch {
	case err != nil:
		return "", errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", plan.ShowURL(src.URL), err)
	case n > maxSize:
		return "", errdefs.Errorf(errdefs.ErrExhausted, "%s is larger than %d GiB", plan.ShowURL(src.URL), maxSize>>30)
	}
	return d.Digest(), nil
}
