package proxy

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/content"
	"cove/content/memstore"
	"cove/errdefs"
	"cove/registry/metadata"
	"cove/registry/metadata/usage"
)

// limit gives a project a quota; less than 0 is none.
func (n *near) limit(project string, bytes int64) {
	n.t.Helper()
	err := n.db.Update(n.t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		p, err := tx.Project(ctx, project)
		if err != nil {
			return err
		}
		return usage.SetLimit(ctx, tx.Tx, p.ID, &bytes)
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// kept says whether the registry has a blob by itself.
func (n *near) kept(repo string, dgst digest.Digest) bool {
	n.t.Helper()
	_, err := n.stored.StatBlob(n.t.Context(), repo, dgst)
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
		n.t.Error(err)
	}
	return err == nil
}

// TestNoRoom: what a project has no room for is passed on whole, once for all who ask at
// the same time, and not kept; when there is room it is.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	for name, bytes := range stores(t) {
		t.Run(name, func(t *testing.T) {
			up, n := newHostile(t), newNear(t, bytes)
			img := up.push(1, "team/app", "v1", 3000, 900_000)
			large := largest(img)
			n.create(Spec{Project: "mirror", Upstream: up.address})
			n.limit("mirror", 100_000)
			up.set("slow")
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { n.pull("mirror/team/app", "v1", img) })
			}
			all.Wait()
			if got := up.count("GET", "/blobs/"+large.String()); got < 1 || got > 4 {
				t.Errorf("%d requests for %s", got, large)
			}
			up.set("")
			for dgst, b := range img.Blobs {
				if kept := n.kept("mirror/team/app", dgst); kept != (len(b) < 100_000) {
					t.Errorf("%d bytes are kept: %v", len(b), kept)
				}
			}
			if st := n.proxies.Status(); st.Passed < 1 {
				t.Errorf("%+v", st)
			}
			n.limit("mirror", 10<<20)
			n.pull("mirror/team/app", "v1", img)
			if !n.kept("mirror/team/app", large) {
				t.Error("there is room now, and it is not kept")
			}
		})
	}
}

// TestRoomForSome: of layers that come at the same time those are kept for which there is
// room, and none is cut off.
func TestRoomForSome(t *testing.T) {
	t.Parallel()
	for name, bytes := range stores(t) {
		t.Run(name, func(t *testing.T) {
			up, n := newHostile(t), newNear(t, bytes)
			img := up.push(1, "team/app", "v1", 700_000, 700_001, 700_002, 700_003)
			n.create(Spec{Project: "mirror", Upstream: up.address})
			n.limit("mirror", 2_000_000)
			up.set("slow")
			var all sync.WaitGroup
			for dgst, b := range img.Blobs {
				all.Go(func() {
					status, _, got := n.do("GET", "mirror/team/app/blobs/"+dgst.String())
					if status != 200 || digest.FromBytes(got) != dgst {
						t.Errorf("%d with %d of %d bytes", status, len(got), len(b))
					}
				})
			}
			all.Wait()
			kept := 0
			for dgst, b := range img.Blobs {
				if n.kept("mirror/team/app", dgst) && len(b) >= 700_000 {
					kept++
				}
			}
			if st := n.proxies.Status(); kept != 2 || st.Passed != 2 {
				t.Errorf("%d of 4 are kept and %d passed on, in room for 2", kept, st.Passed)
			}
		})
	}
}

// TestPassedAndLiedAbout: what is not kept is held against its digest as well, and ranges
// of it are those that were asked for.
func TestPassedAndLiedAbout(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, memstore.New(nil))
	img := up.push(1, "team/app", "v1", 3000, 900_000)
	large := largest(img)
	n.create(Spec{Project: "mirror", Upstream: up.address})
	n.limit("mirror", 100_000)
	path := "mirror/team/app/blobs/" + large.String()
	if status, _, got := n.do("GET", path); status != 200 || !bytes.Equal(got, img.Blobs[large]) {
		t.Fatalf("%d, %d bytes", status, len(got))
	}
	for _, mode := range []string{"lie", "cut"} {
		up.set(mode)
		if status, _, got := n.do("GET", path); status == 200 || len(got) >= len(img.Blobs[large]) {
			t.Errorf("%s: %d with %d bytes", mode, status, len(got))
		}
		n.clock.Advance(time.Minute)
	}
	up.set("")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.address+"/v2/"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=1000-1099")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got := new(bytes.Buffer)
	if _, err := got.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusPartialContent ||
		!bytes.Equal(got.Bytes(), img.Blobs[large][1000:1100]) {
		t.Errorf("a range: %d, %d bytes, %v", resp.StatusCode, got.Len(), err)
	}
	_ = resp.Body.Close()
}

// narrow is a store that cannot be read back and takes so many bytes of a write.
type narrow struct {
	writeOnly
	bytes int64
}

func (s narrow) Begin(ctx context.Context, id string) (content.Writer, error) {
	w, err := s.writeOnly.Begin(ctx, id)
	return narrowWriter{w, s.bytes}, err
}

type narrowWriter struct {
	content.Writer
	bytes int64
}

func (w narrowWriter) Write(p []byte) (int, error) {
	if w.Offset()+int64(len(p)) > w.bytes {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "the storage is gone")
	}
	return w.Writer.Write(p)
}

// TestStorageThatFails: a storage that goes in the middle of a blob does not keep it from
// the client, who reads a file beside it.
func TestStorageThatFails(t *testing.T) {
	t.Parallel()
	up, n := newHostile(t), newNear(t, narrow{writeOnly{memstore.New(nil)}, 500_000})
	img := up.push(1, "team/app", "v1", 3000, 900_000)
	n.create(Spec{Project: "mirror", Upstream: up.address})
	n.pull("mirror/team/app", "v1", img)
	if n.kept("mirror/team/app", largest(img)) || n.proxies.Status().Passed != 1 {
		t.Errorf("%+v", n.proxies.Status())
	}
}

// TestFailsBeforeTheFirstByte: what the upstream says of a blob when it is asked for its
// bytes is an answer, and none that is cut off.
func TestFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	up, n, img := behind(t, Spec{})
	up.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	status, _, body := n.do("GET", "mirror/team/app/blobs/"+largest(img).String())
	if status < 400 || !strings.Contains(string(body), `"errors"`) {
		t.Errorf("%d %s", status, body)
	}
}
