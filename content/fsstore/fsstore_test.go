package fsstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/content/contenttest"
	"cove/errdefs"
	"cove/internal/filelock"
	"cove/internal/ids"
)

func open(t testing.TB, root string, opts Options) *Store {
	t.Helper()
	s, err := Open(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func isExhausted(err error) bool { return errors.Is(err, errdefs.ErrExhausted) }

func TestStore(t *testing.T) {
	t.Parallel()
	contenttest.Run(t, func(t *testing.T) content.Store { return open(t, t.TempDir(), Options{}) })
}

func TestLayout(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, root, Options{})
	open(t, root, Options{})
	desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	var layout ocispec.ImageLayout
	b, err := os.ReadFile(filepath.Join(root, "oci-layout"))
	if err != nil || json.Unmarshal(b, &layout) != nil || layout.Version != ocispec.ImageLayoutVersion {
		t.Errorf("oci-layout: %q, %v", b, err)
	}
	var index ocispec.Index
	b, err = os.ReadFile(filepath.Join(root, "index.json"))
	if err != nil || json.Unmarshal(b, &index) != nil || index.SchemaVersion != 2 || index.Manifests == nil {
		t.Errorf("index.json: %q, %v", b, err)
	}
	path := filepath.Join(s.Path(), "blobs", "sha256", desc.Digest.Encoded())
	if b, err := os.ReadFile(path); err != nil || string(b) != "x" || path != filepath.Join(root, "blobs/sha256", desc.Digest.Encoded()) {
		t.Errorf("blob at %s: %q, %v", path, b, err)
	}
	// A write leaves nothing behind.
	for _, dir := range []string{"ingest", "leases"} {
		if entries, err := os.ReadDir(filepath.Join(root, dir)); err != nil || len(entries) != 0 {
			t.Errorf("%s: %v, %v", dir, entries, err)
		}
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestFolderThatGoes: the folder of the blobs is removed while it is held open, as who
// empties a store does. The next blob is where the next process looks for it.
func TestFolderThatGoes(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, Options{})
	for _, what := range []string{"first", "second", "third"} {
		desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, []byte(what))
		if err != nil {
			t.Fatal(err)
		}
		for who, store := range map[string]*Store{"the same": s, "another": open(t, root, Options{})} {
			if got, err := content.ReadBlob(t.Context(), store, desc); err != nil || string(got) != what {
				t.Errorf("%s store: %q, %v", who, got, err)
			}
		}
		if err := os.RemoveAll(filepath.Join(root, "blobs", "sha256")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(t.Context(), desc.Digest); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("what is gone: %v", err)
		}
	}
}

func TestReaderIsAFile(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	desc, err := content.WriteBytes(t.Context(), s, ocispec.Descriptor{}, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), desc)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, ok := r.(content.FileReader)
	if !ok {
		t.Fatal("the reader has no File: HTTP could not use sendfile")
	}
	if _, err := r.ReadAt(make([]byte, 5), 0); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if n, err := f.File().Read(got); n != 5 || err != nil || string(got) != "hello" {
		t.Errorf("File starts with %q, %v", got[:n], err)
	}
}

// TestBoot makes as if the machine had booted between two writers: what was
// only in the page cache must not be trusted, what was fsynced must.
func TestBoot(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	b := contenttest.Bytes(1, 150_000)
	for _, tt := range []struct {
		checkpoint, want int64
	}{{1 << 30, 0}, {60_000, 100_000}} {
		s := open(t, root, Options{})
		s.checkpoint = tt.checkpoint
		id := fmt.Sprint(tt.checkpoint)
		w, err := s.Begin(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{b[:50_000], b[50_000:100_000], b[100_000:]} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		rebooted := open(t, root, Options{})
		rebooted.boot = "another"
		w, err = rebooted.Begin(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if w.Offset() != tt.want {
			t.Fatalf("after a boot: offset %d, want %d", w.Offset(), tt.want)
		}
		if _, err := w.Write(b[tt.want:]); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(t.Context(), ocispec.Descriptor{Digest: digest.FromBytes(b)}); err != nil {
			t.Errorf("resuming after a boot: %v", err)
		}
	}
}

// TestBadState feeds a write states that lie, or are no states.
func TestBadState(t *testing.T) {
	t.Parallel()
	b := contenttest.Bytes(1, 1000)
	for name, spoil := range map[string]func(dir, key string) error{
		"empty": func(dir, key string) error { return os.WriteFile(filepath.Join(dir, key+stateSuffix), nil, 0o644) },
		"not JSON": func(dir, key string) error {
			return os.WriteFile(filepath.Join(dir, key+stateSuffix), []byte("{"), 0o644)
		},
		"no hash": func(dir, key string) error {
			return os.WriteFile(filepath.Join(dir, key+stateSuffix), []byte(`{"durable":{"offset":500}}`), 0o644)
		},
		"negative": func(dir, key string) error {
			return os.WriteFile(filepath.Join(dir, key+stateSuffix), []byte(`{"durable":{"offset":-1}}`), 0o644)
		},
		"negative, this boot": func(dir, key string) error {
			return os.WriteFile(filepath.Join(dir, key+stateSuffix), []byte(`{"latest":{"offset":-5},"boot":"`+ids.Boot()+`"}`), 0o644)
		},
		"gone":       func(dir, key string) error { return os.Remove(filepath.Join(dir, key+stateSuffix)) },
		"short data": func(dir, key string) error { return os.Truncate(filepath.Join(dir, key), 999) },
	} {
		root := t.TempDir()
		s := open(t, root, Options{})
		w, err := s.Begin(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Join(root, "ingest"), ingestKey("x")); err != nil {
			t.Fatal(err)
		}
		w, err = s.Begin(t.Context(), "x")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.Offset() != 0 {
			t.Errorf("%s: resumed at %d, want 0", name, w.Offset())
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(t.Context(), ocispec.Descriptor{Digest: digest.FromBytes(b)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStaleState has a state outlive its write, as a kill between the rename of
// a commit and its last step leaves it. The next write of that id must not take
// its hash over.
func TestStaleState(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, Options{Fault: func(step Step) error {
		if step == StepCleanup {
			return unix.EIO
		}
		return nil
	}})
	write := func(b []byte) *writer {
		w, err := s.Begin(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if w.Offset() != 0 {
			t.Fatalf("a new write starts at %d", w.Offset())
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		return w.(*writer)
	}
	s.checkpoint = 100
	first := contenttest.Bytes(1, 200)
	if err := write(first).Commit(t.Context(), ocispec.Descriptor{Digest: digest.FromBytes(first)}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "ingest", ingestKey("x")+stateSuffix)); err != nil {
		t.Fatalf("the test wants a stale state: %v", err)
	}
	s.checkpoint = 1 << 20
	second := write(contenttest.Bytes(2, 300))
	if err := second.f.Close(); err != nil { // killed
		t.Fatal(err)
	}
	if w := write(nil); w.Digest() != digest.FromBytes(nil) {
		t.Error("a new write starts with an old hash")
	}
}

func TestIngestsAndExpire(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	long := strings.Repeat("x", 1000)
	for _, id := range []string{"a", "upload/1", long} {
		w, err := s.Begin(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(id)); err != nil {
			t.Fatal(err)
		}
		if id != "a" {
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]Ingest{}
	for in, err := range s.Ingests(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		in.key = ""
		if time.Since(in.Updated) > time.Hour {
			t.Errorf("Updated of %q is %v", in.ID, in.Updated)
		}
		in.Updated = time.Time{}
		got[in.ID] = in
	}
	want := map[string]Ingest{
		"a":        {ID: "a", Size: 1, Open: true},
		"upload/1": {ID: "upload/1", Size: 8},
		"":         {Size: 1000},
	}
	for id := range want {
		if got[id] != want[id] {
			t.Errorf("ingest %q: %+v, want %+v", id, got[id], want[id])
		}
	}
	if n, err := s.Expire(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("Expire of an hour ago = %d, %v", n, err)
	}
	if n, err := s.Expire(t.Context(), time.Now().Add(time.Hour)); n != 1008 || err != nil {
		t.Errorf("Expire of all = %d, %v, want the bytes of the 2 that are not open", n, err)
	}
	if err := s.Abort(t.Context(), "upload/1"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("an expired write: %v", err)
	}
}

// TestExpireClearsLeftovers puts what kills leave where they leave it.
func TestExpireClearsLeftovers(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, Options{})
	live, err := s.Begin(t.Context(), "live")
	if err == nil {
		_, err = live.Write([]byte("bytes"))
	}
	if err == nil {
		err = live.(*writer).save(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	liveState := "ingest/" + ingestKey("live") + stateSuffix
	left := []string{
		"index.json.AAAA.tmp", "ingest/" + ingestKey("x") + ".state.BBBB.tmp", "ingest/." + ingestKey("x") + ".state.tmp-ABCDEFGHIJKL",
		"ingest/" + ingestKey("became a blob") + stateSuffix,
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range left {
		if err := os.WriteFile(filepath.Join(root, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exist := func(names ...string) (n int) {
		for _, name := range names {
			if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
				n++
			}
		}
		return n
	}
	if _, err := s.Expire(t.Context(), old); err != nil || exist(left...) != len(left) {
		t.Errorf("Expire of an hour ago: %v; %d of %d young files are there", err, exist(left...), len(left))
	}
	for _, name := range append(left, liveState, "ingest/"+ingestKey("live")) {
		if err := os.Chtimes(filepath.Join(root, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Expire(t.Context(), time.Now().Add(-time.Minute)); err != nil || exist(left...) != 0 {
		t.Errorf("Expire: %v; %d of %d leftovers are there", err, exist(left...), len(left))
	}
	if exist(liveState) != 1 {
		t.Error("Expire took the state of a write that is open")
	}
	if err := live.Commit(t.Context(), ocispec.Descriptor{Digest: digest.FromString("bytes")}); err != nil {
		t.Error(err)
	}
}

// TestDeadLease leaves a lease behind as a killed process would: listed by
// name, locked by no one.
func TestDeadLease(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := open(t, root, Options{})
	dead := filepath.Join(root, "leases", "DEAD")
	if err := os.WriteFile(dead, []byte("sha256:aa\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	live, err := s.Lease(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Release()
	var refs []string
	for ref, err := range s.Leased(t.Context()) {
		refs = append(refs, ref)
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(refs) != 1 || refs[0] != "b" {
		t.Errorf("leased: %q, want b alone", refs)
	}
	thaw, err := s.Freeze(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	thaw()
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a dead lease stays after a freeze: %v", err)
	}
}

// TestBeginBesideAJanitor: a file that Begin has made and not yet locked is taken for a
// left one by a janitor, who locks and removes it. Begin waits for that and begins anew.
func TestBeginBesideAJanitor(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Options{})
	janitor, err := s.lockIngest(ingestKey("layer"), os.O_RDWR|os.O_CREATE, tryLock)
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan error, 1)
	go func() {
		w, err := s.Begin(t.Context(), "layer")
		if err == nil {
			_, err = w.Write([]byte("x"))
			err = errors.Join(err, w.Commit(t.Context(), ocispec.Descriptor{Size: 1, Digest: digest.FromString("x")}), w.Close())
		}
		begun <- err
	}()
	time.Sleep(5 * time.Millisecond) // most runs have Begin wait here; the others prove nothing
	if err := errors.Join(s.forget(ingestKey("layer")), filelock.Release(janitor)); err != nil {
		t.Fatal(err)
	}
	if err := <-begun; err != nil {
		t.Error(err)
	}
	// Whoever keeps it is another writer.
	if janitor, err = s.lockIngest(ingestKey("kept"), os.O_RDWR|os.O_CREATE, tryLock); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), "kept"); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("beside another writer: %v", err)
	}
	if err := filelock.Release(janitor); err != nil {
		t.Fatal(err)
	}
}
