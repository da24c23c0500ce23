package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/distribution/server/byterange"
	"cove/errdefs"
)

func (s *server) headBlob(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	desc, err := s.Registry.StatBlob(ctx, t.repo, t.dgst)
	if err != nil {
		return err
	}
	setBlobHeaders(w.Header(), t.dgst)
	if matches(r.Header.Get("If-None-Match"), t.dgst) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Content-Length", strconv.FormatInt(desc.Size, 10))
	w.WriteHeader(http.StatusOK)
	return nil
}

// locate sends a client to where the blob is, if it is anywhere but here.
func (s *server) locate(ctx context.Context, w http.ResponseWriter, t target) (sent bool, err error) {
	if s.Locate == nil {
		return false, nil
	}
	url, err := s.Locate(ctx, t.repo, t.dgst)
	if err != nil || url == "" {
		return false, err
	}
	w.Header().Set("Docker-Content-Digest", t.dgst.String())
	w.Header().Set("Cache-Control", "no-store") // the place is good for a while, and for who was asked about
	w.Header().Set("Location", url)
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true, nil
}

// getBlob leaves ranges and conditions to http.ServeContent, which also hands
// a bare *os.File to the kernel (sendfile).
func (s *server) getBlob(ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error {
	if sent, err := s.locate(ctx, w, t); sent || err != nil {
		return err
	}
	rd, err := s.Registry.OpenBlob(ctx, t.repo, t.dgst)
	if err != nil {
		return err
	}
	defer rd.Close()
	setBlobHeaders(w.Header(), t.dgst)
	byterange.Normalize(r.Header)
	if s.verified.trusts(t.dgst, rd) {
		http.ServeContent(w, r, "", time.Time{}, seeker(rd))
		return nil
	}
	if r.Header.Get("Range") != "" {
		// A part cannot be checked by itself.
		if err := s.verified.check(t.dgst, rd); err != nil {
			if errors.Is(err, errdefs.ErrCorrupt) {
				s.OnDamaged(ctx, t.dgst)
			}
			return err
		}
		http.ServeContent(w, r, "", time.Time{}, seeker(rd))
		return nil
	}
	held := newHeld(t.dgst, rd)
	http.ServeContent(w, r, "", time.Time{}, held)
	if held.wrong {
		s.OnDamaged(ctx, t.dgst)
		return errCut
	}
	if held.right {
		s.verified.remember(t.dgst, rd)
	}
	return nil
}

func (s *server) deleteBlob(ctx context.Context, w http.ResponseWriter, _ *http.Request, t target) error {
	if err := s.Registry.DeleteBlob(ctx, t.repo, t.dgst); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// seeker is rd as ServeContent likes it best: the file itself where there is
// one.
func seeker(rd content.Reader) io.ReadSeeker {
	if f, ok := rd.(content.FileReader); ok {
		return f.File()
	}
	return io.NewSectionReader(rd, 0, rd.Size())
}

// setBlobHeaders describes an immutable body. The media type is unknown here:
// the manifest has it.
func setBlobHeaders(h http.Header, dgst digest.Digest) {
	d := dgst.String()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Docker-Content-Digest", d)
	h.Set("Etag", `"`+d+`"`)
	h.Set("Cache-Control", "max-age=31536000")
}

// matches says whether an If-None-Match header names dgst.
func matches(header string, dgst digest.Digest) bool {
	for header != "" {
		var tag string
		tag, header = cutTag(header)
		if tag == dgst.String() || tag == "*" {
			return true
		}
	}
	return false
}
