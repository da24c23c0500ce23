package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/fsstore"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/distribution/server"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// damages are the ways in which a stored file is not what it should be.
func damages() map[string]func(path string, good []byte) error {
	write := func(path string, b []byte) error { return os.WriteFile(path, b, 0o600) }
	instead := func(path string, put func() error) error { return errors.Join(os.Remove(path), put()) }
	return map[string]func(string, []byte) error{
		"first byte": func(p string, b []byte) error { b[0] ^= 1; return write(p, b) },
		"middle bit": func(p string, b []byte) error { b[len(b)/2] ^= 8; return write(p, b) },
		"last byte":  func(p string, b []byte) error { b[len(b)-1] ^= 128; return write(p, b) },
		"cut":        func(p string, b []byte) error { return write(p, b[:len(b)-1]) },
		"grown":      func(p string, b []byte) error { return write(p, append(b, 'x')) },
		"empty":      func(p string, _ []byte) error { return write(p, nil) },
		"gone":       func(p string, _ []byte) error { return os.Remove(p) },
		"link out": func(p string, _ []byte) error {
			return instead(p, func() error { return os.Symlink("/etc/passwd", p) })
		},
		"link to nothing": func(p string, _ []byte) error {
			return instead(p, func() error { return os.Symlink("nothing", p) })
		},
		"directory": func(p string, _ []byte) error { return instead(p, func() error { return os.Mkdir(p, 0o700) }) },
		"full directory": func(p string, b []byte) error {
			return instead(p, func() error { return errors.Join(os.Mkdir(p, 0o700), write(p+"/x", b)) })
		},
		"pipe": func(p string, _ []byte) error { return instead(p, func() error { return unix.Mkfifo(p, 0o600) }) },
	}
}

// damaged is a registry with one index of one image over files that a test damages.
type damaged struct {
	t     *testing.T
	ctx   context.Context
	root  string
	store *fsstore.Store
	db    *metadata.DB
	img   distributiontest.Image
	index distribution.Manifest

	*Registry // the newest; a fresh one has nothing in memory
	handler   atomic.Pointer[http.Handler]
	server    *httptest.Server // asks the newest handler
}

func newDamaged(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) *damaged {
	l := &damaged{t: t, ctx: admin(t.Context()), root: metadatatest.Dir(t), img: distributiontest.NewImage(t, 1, 50_000, 700)}
	var err error
	if l.store, err = fsstore.Open(l.root, fsstore.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
	l.db = open(t, time.Now)
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*l.handler.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(l.server.Close)
	m := l.img.Manifest.Descriptor
	l.index = distributiontest.Index(t, ocispec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size})
	l.restart()
	for dgst := range l.img.Blobs {
		l.want("push", l.push(dgst), 201)
	}
	l.want("push", l.push(m.Digest), 201)
	l.want("push", l.push(l.index.Descriptor.Digest), 201)
	return l
}

func (l *damaged) restart() { l.startOver(l.store) }

// startOver has a registry that knows nothing answer the requests from now on.
func (l *damaged) startOver(store content.BlobStore) {
	var err error
	cfg := Config{Store: store, DB: l.db, Rights: allowAll{}, Log: slog.New(slog.DiscardHandler)}
	if l.Registry, err = New(l.ctx, cfg, false); err != nil {
		l.t.Fatal(err)
	}
	handler, err := server.New(server.Config{Registry: l.Registry, Authorizer: allowAll{}, OnDamaged: l.Damaged})
	if err != nil {
		l.t.Fatal(err)
	}
	l.handler.Store(&handler)
}

// do is one request; a body that was cut off has status 0.
func (l *damaged) do(method, path, mediaType string, body []byte, header ...string) (status int, got []byte) {
	req, err := http.NewRequestWithContext(l.ctx, method, l.server.URL+path, bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := l.server.Client().Do(req)
	if err != nil {
		l.t.Logf("%s %s: %v", method, path, err)
		return 0, nil
	}
	defer resp.Body.Close()
	if got, err = io.ReadAll(resp.Body); err != nil {
		l.t.Logf("%s %s: the body: %v", method, path, err)
		return 0, got
	}
	return resp.StatusCode, got
}

func (l *damaged) bytes(dgst digest.Digest) (good []byte, mediaType string) {
	switch dgst {
	case l.index.Descriptor.Digest:
		return l.index.Body, l.index.Descriptor.MediaType
	case l.img.Manifest.Descriptor.Digest:
		return l.img.Manifest.Body, l.img.Manifest.Descriptor.MediaType
	}
	return l.img.Blobs[dgst], ""
}

// where is an object's path under /v2/.
func (l *damaged) where(dgst digest.Digest) string {
	if _, mediaType := l.bytes(dgst); mediaType != "" {
		return "/v2/team/app/manifests/" + dgst.String()
	}
	return "/v2/team/app/blobs/" + dgst.String()
}

func (l *damaged) push(dgst digest.Digest) int {
	good, mediaType := l.bytes(dgst)
	method, path := "POST", "/v2/team/app/blobs/uploads/?digest="+dgst.String()
	if mediaType != "" {
		method, path = "PUT", l.where(dgst)
	}
	status, _ := l.do(method, path, mediaType, good)
	return status
}

func (l *damaged) head(dgst digest.Digest) int {
	status, _ := l.do("HEAD", l.where(dgst), "", nil)
	return status
}

func (l *damaged) want(what string, got int, want ...int) {
	l.t.Helper()
	if !slices.Contains(want, got) {
		l.t.Errorf("%s: %d, want %v", what, got, want)
	}
}

func (l *damaged) path(dgst digest.Digest) string {
	return filepath.Join(l.root, "blobs", "sha256", dgst.Encoded())
}

// damage restores everything, checks that it is sound, and damages one file.
func (l *damaged) damage(dgst digest.Digest, how func(string, []byte) error) {
	l.t.Helper()
	for _, dgst := range append(slices.Collect(maps.Keys(l.img.Blobs)), l.img.Manifest.Descriptor.Digest, l.index.Descriptor.Digest) {
		good, _ := l.bytes(dgst)
		if err := errors.Join(os.RemoveAll(l.path(dgst)), os.WriteFile(l.path(dgst), good, 0o600)); err != nil {
			l.t.Fatal(err)
		}
	}
	if found := l.fsck(false); len(found) != 0 {
		l.t.Errorf("sound: %+v", found)
	}
	good, _ := l.bytes(dgst)
	if err := how(l.path(dgst), slices.Clone(good)); err != nil {
		l.t.Fatal(err)
	}
	// A file system's clock goes by ticks, and is late: what was stored within the last one
	// would be newer than the damage.
	now := unix.NsecToTimespec(time.Now().UnixNano())
	err := unix.UtimesNanoAt(unix.AT_FDCWD, l.path(dgst), []unix.Timespec{now, now}, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		l.t.Fatal(err)
	}
	l.restart()
}

func (l *damaged) fsck(heal bool) (found []fsck.Finding) {
	l.t.Helper()
	if _, err := fsck.Run(l.ctx, l.store, l.db, heal, func(f fsck.Finding) { found = append(found, f) }); err != nil {
		l.t.Errorf("fsck: %v", err)
	}
	return found
}

// heals pushes and has what was pushed, also after a restart.
func (l *damaged) heals(dgst digest.Digest) {
	l.t.Helper()
	l.want("the push", l.push(dgst), 201)
	l.restart()
	good, _ := l.bytes(dgst)
	if status, got := l.do("GET", l.where(dgst), "", nil); status != 200 || !bytes.Equal(got, good) {
		l.t.Errorf("after the push: %d, %d bytes", status, len(got))
	}
	l.want("HEAD after the push", l.head(dgst), 200)
	if found := l.fsck(false); len(found) != 0 {
		l.t.Errorf("after the push: %+v", found)
	}
}

// TestDamage has every kind of stored file damaged in every way and tries every
// operation on it: nothing damaged is acknowledged, no wrong body is whole, a
// check finds it and nothing else, and a push heals it.
func TestDamage(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		for name, how := range damages() {
			t.Run(name, func(t *testing.T) {
				l := newDamaged(t, open)
				for kind, dgst := range map[string]digest.Digest{
					"layer": l.img.Layers[0].Digest, "config": l.img.Config.Digest,
					"manifest": l.img.Manifest.Descriptor.Digest, "index": l.index.Descriptor.Digest,
				} {
					for op, try := range operations(name) {
						l.damage(dgst, how)
						t.Run(kind+"/"+op, func(t *testing.T) {
							l.t = t
							try(l, dgst)
						})
						l.t = t
					}
				}
			})
		}
	})
}

// operations are what is tried on a damaged file. That nobody has read it is no reason
// to say that it is there: it was written to after it was stored.
func operations(damage string) map[string]func(*damaged, digest.Digest) {
	return map[string]func(*damaged, digest.Digest){
		"push": (*damaged).heals,
		"HEAD": func(l *damaged, dgst digest.Digest) {
			l.want("HEAD", l.head(dgst), 404)
		},
		"GET, HEAD, push": func(l *damaged, dgst digest.Digest) {
			l.want("GET", get(l, dgst), 0, 404)
			l.restart()
			l.want("HEAD after a read", l.head(dgst), 404)
			l.heals(dgst)
		},
		"range": func(l *damaged, dgst digest.Digest) {
			if _, mediaType := l.bytes(dgst); mediaType != "" {
				return // manifests have none
			}
			status, _ := l.do("GET", l.where(dgst), "", nil, "Range", "bytes=1-2")
			l.want("a range", status, 404)
			l.want("HEAD after a read", l.head(dgst), 404)
		},
		"mount": func(l *damaged, dgst digest.Digest) {
			status, _ := l.do("POST", "/v2/team/other/blobs/uploads/?from=team/app&mount="+dgst.String(), "", nil)
			l.want("mount", status, 202)
			get(l, dgst)
			status, _ = l.do("POST", "/v2/team/third/blobs/uploads/?from=team/app&mount="+dgst.String(), "", nil)
			l.want("mount after a read", status, 202)
		},
		"what needs it": needsIt,
		"collect": func(l *damaged, dgst digest.Digest) {
			if got, err := l.Collect(l.ctx); err != nil || got.Blobs != 0 {
				l.t.Errorf("collected %+v, %v", got, err)
			}
			l.heals(dgst)
		},
		"fsck": func(l *damaged, dgst digest.Digest) {
			found := l.fsck(false)
			if len(found) != 1 || found[0].Digest != dgst || !slices.Contains(found[0].Repositories, "team/app") {
				l.t.Errorf("found %+v", found)
			}
			l.want("HEAD after a check", l.head(dgst), 404)
			l.heals(dgst)
		},
		"heal": func(l *damaged, dgst digest.Digest) {
			if found := l.fsck(true); len(found) != 1 || found[0].Digest != dgst || found[0].Healed != (damage != "gone") {
				l.t.Errorf("found %+v", found)
			}
			if _, err := os.Lstat(l.path(dgst)); !errors.Is(err, os.ErrNotExist) {
				l.t.Errorf("after the heal there is something: %v", err)
			}
			l.want("HEAD after a heal", l.head(dgst), 404)
			l.heals(dgst)
		},
	}
}

// get reads an object that is damaged; a wrong body must not be complete.
func get(l *damaged, dgst digest.Digest) int {
	status, got := l.do("GET", l.where(dgst), "", nil)
	if good, _ := l.bytes(dgst); status == 200 && !bytes.Equal(got, good) {
		l.t.Errorf("a complete wrong body of %d bytes", len(got))
	}
	return status
}

// needsIt pushes the manifest, or the index, that needs the damaged object.
func needsIt(l *damaged, dgst digest.Digest) {
	parent := l.img.Manifest.Descriptor.Digest
	switch dgst {
	case parent:
		parent = l.index.Descriptor.Digest
	case l.index.Descriptor.Digest:
		return // nothing needs it
	default:
		l.want("the manifest", l.push(parent), 400)
	}
	get(l, dgst)
	l.want("the manifest after a read", l.push(parent), 400)
	l.heals(dgst)
	l.want("the manifest after the push", l.push(parent), 201)
}

// counting counts the blobs that are opened.
type counting struct {
	content.BlobStore
	opened atomic.Int32
}

func (c *counting) Open(ctx context.Context, desc ocispec.Descriptor) (content.Reader, error) {
	c.opened.Add(1)
	return c.BlobStore.Open(ctx, desc)
}

// TestWrittenToAndRight: bytes that were written to after they were stored, as by a
// copy of everything to another disk, are read once and then believed until they are
// written to again; those that were not are never read for a HEAD.
func TestWrittenToAndRight(t *testing.T) {
	t.Parallel()
	l := newDamaged(t, metadatatest.OpenSQLite)
	store := &counting{BlobStore: l.store}
	l.startOver(store)
	dgst := l.img.Layers[0].Digest
	opened := func(what string, want int32) {
		t.Helper()
		for range 3 {
			l.want("HEAD "+what, l.head(dgst), 200)
		}
		if n := store.opened.Load(); n != want {
			t.Errorf("%s: read %d times, want %d", what, n, want)
		}
	}
	opened("as it was stored", 0)
	for i, what := range []string{"written to", "written to again"} {
		later := time.Now().Add(time.Duration(i+1) * time.Hour)
		if err := os.Chtimes(l.path(dgst), later, later); err != nil {
			t.Fatal(err)
		}
		opened(what, int32(i)+1)
	}
	l.want("push", l.push(dgst), 201)
}

// TestForeignThings puts what is no content among the contents: each is found
// and removed, and nothing that is content.
func TestForeignThings(t *testing.T) {
	t.Parallel()
	l := newDamaged(t, metadatatest.OpenSQLite)
	at := func(name string) string { return filepath.Join(l.root, "blobs", name) }
	unowned := "sha256/" + strings.Repeat("ab", 32)
	put := func() []string {
		if err := errors.Join(
			os.Symlink("/etc/passwd", at("sha256/link")), os.Mkdir(at("sha256/directory"), 0o700),
			os.WriteFile(at("sha256/directory/file"), nil, 0o600), unix.Mkfifo(at("sha256/pipe"), 0o600),
			os.WriteFile(at("file"), nil, 0o600), os.Mkdir(at("md5"), 0o700), os.Symlink("sha256", at("sha512")),
			os.Mkdir(at(unowned), 0o700), os.WriteFile(at(unowned+"/x"), nil, 0o600),
		); err != nil {
			t.Fatal(err)
		}
		return []string{"sha256/link", "sha256/directory", "sha256/pipe", "file", "md5", "sha512", unowned}
	}
	want := put()
	for _, heal := range []bool{false, true} {
		found := l.fsck(heal)
		for _, name := range want {
			if !slices.ContainsFunc(found, func(f fsck.Finding) bool {
				return f.Kind == fsck.Foreign && f.Name == "blobs/"+name && f.Healed == heal
			}) {
				t.Errorf("%s is not found, heal %v: %+v", name, heal, found)
			}
		}
		if len(found) != len(want) {
			t.Errorf("%d findings, want %d: %+v", len(found), len(want), found)
		}
	}
	if found := l.fsck(false); len(found) != 0 {
		t.Errorf("after the heal: %+v", found)
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		t.Error(err)
	}
	put()
	l.restart()
	if got, err := l.Collect(l.ctx); err != nil || got.Blobs != 0 {
		t.Errorf("a collection among foreign things: %+v, %v", got, err)
	}
	for dgst := range l.img.Blobs {
		l.want(fmt.Sprint("HEAD ", dgst), l.head(dgst), 200)
	}
}
