// Package distributiontest is the suite that every distribution.Registry
// passes: as calls of the contract, and over HTTP through both ends of the
// protocol. It also has a registry in memory, for tests of what stands on one.
package distributiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/distribution"
	"cove/errdefs"
)

// Subject is what is tested. Its caller may do everything in repositories
// "suite/NAME", which are empty at first.
type Subject struct {
	Registry distribution.Registry
	// Context carries the caller, where the registry looks for one; nil is
	// the test's own.
	Context context.Context //nolint:containedctx // it is the test's fixture
}

// Run runs the whole suite. open makes a fresh registry for each test.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, s Subject)
	}{
		{"Upload", testUpload},
		{"UploadResume", testUploadResume},
		{"UploadCorrupt", testUploadCorrupt},
		{"UploadCancel", testUploadCancel},
		{"UploadSHA512", testUploadSHA512},
		{"UploadTwins", testUploadTwins},
		{"BlobMembership", testBlobMembership},
		{"Mount", testMount},
		{"Manifest", testManifest},
		{"ManifestUnknown", testManifestUnknown},
		{"ManifestMissing", testManifestMissing},
		{"ManifestClaims", testManifestClaims},
		{"ManifestRetag", testManifestRetag},
		{"ManifestPrecondition", testManifestPrecondition},
		{"Index", testIndex},
		{"Delete", testDelete},
		{"Tags", testTags},
		{"Repositories", testRepositories},
		{"Referrers", testReferrers},
		{"ReferrersBeforeSubject", testReferrersBeforeSubject},
		{"ReferrersPages", testReferrersPages},
		{"HTTP", testHTTP},
		{"HTTPTable", testHTTPTable},
		{"Copy", testCopy},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t)
			if s.Context == nil {
				s.Context = t.Context()
			}
			tc.test(t, s)
		})
	}
}

// push uploads b as one piece.
func push(t *testing.T, s Subject, repo string, b []byte) ocispec.Descriptor {
	t.Helper()
	up, err := s.Registry.StartUpload(s.Context, repo)
	if err != nil {
		t.Fatalf("StartUpload: %v", err)
	}
	defer up.Close()
	if _, err := up.Write(b); err != nil {
		t.Fatalf("Write: %v", err)
	}
	desc, err := up.Commit(s.Context, digest.FromBytes(b))
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return desc
}

func pushImage(t *testing.T, s Subject, repo string, img Image, tags ...string) {
	t.Helper()
	for _, b := range img.Blobs {
		push(t, s, repo, b)
	}
	put(t, s, repo, img.Manifest, tags...)
}

func put(t *testing.T, s Subject, repo string, m distribution.Manifest, tags ...string) digest.Digest {
	t.Helper()
	subject, err := s.Registry.PutManifest(s.Context, repo, m, tags...)
	if err != nil {
		t.Fatalf("PutManifest %s: %v", tags, err)
	}
	return subject
}

// is fails unless err is of kind.
func is(t *testing.T, what string, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: error %v, want one of kind %q", what, err, kind)
	}
}

// holds fails unless repo serves exactly b.
func holds(t *testing.T, s Subject, repo string, b []byte) {
	t.Helper()
	dgst := digest.FromBytes(b)
	desc, err := s.Registry.StatBlob(s.Context, repo, dgst)
	if err != nil {
		t.Fatalf("StatBlob: %v", err)
	}
	if desc.Digest != dgst || desc.Size != int64(len(b)) {
		t.Errorf("StatBlob = %s of %d bytes, want %s of %d", desc.Digest, desc.Size, dgst, len(b))
	}
	rd, err := s.Registry.OpenBlob(s.Context, repo, dgst)
	if err != nil {
		t.Fatalf("OpenBlob: %v", err)
	}
	defer rd.Close()
	got, err := io.ReadAll(content.NewReader(rd))
	if err != nil || !bytes.Equal(got, b) {
		t.Errorf("OpenBlob read %d bytes (%v), not the %d that were pushed", len(got), err, len(b))
	}
}

func testUpload(t *testing.T, s Subject) {
	for _, size := range []int{0, 1, 4096, 3<<20 + 17} {
		b := Bytes(uint64(size), size)
		desc := push(t, s, "suite/upload", b)
		if desc.Size != int64(size) || desc.Digest != digest.FromBytes(b) {
			t.Errorf("Commit of %d bytes described %s of %d", size, desc.Digest, desc.Size)
		}
		holds(t, s, "suite/upload", b)
	}
}

func testUploadResume(t *testing.T, s Subject) {
	b := Bytes(1, 300<<10)
	up, err := s.Registry.StartUpload(s.Context, "suite/resume")
	if err != nil {
		t.Fatal(err)
	}
	id := up.ID()
	for at := 0; at < len(b); at += 100 << 10 {
		if got := up.Offset(); got != int64(at) {
			t.Fatalf("Offset = %d, want %d", got, at)
		}
		if _, err := up.Write(b[at:min(at+100<<10, len(b))]); err != nil {
			t.Fatal(err)
		}
		if at == 0 { // while this one is open
			_, err = s.Registry.ResumeUpload(s.Context, "suite/resume", id)
			is(t, "ResumeUpload of an open one", err, errdefs.ErrUnavailable)
		}
		if err := up.Close(); err != nil {
			t.Fatal(err)
		}
		if up, err = s.Registry.ResumeUpload(s.Context, "suite/resume", id); err != nil {
			t.Fatalf("ResumeUpload: %v", err)
		}
	}
	if _, err := up.Commit(s.Context, digest.FromBytes(b)); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	holds(t, s, "suite/resume", b)
	_, err = s.Registry.ResumeUpload(s.Context, "suite/resume", id)
	is(t, "ResumeUpload after Commit", err, errdefs.ErrNotFound)
}

func testUploadCorrupt(t *testing.T, s Subject) {
	b := []byte("these are not the bytes")
	up, err := s.Registry.StartUpload(s.Context, "suite/corrupt")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := up.Write(b); err != nil {
		t.Fatal(err)
	}
	wrong := digest.FromString("other")
	_, err = up.Commit(s.Context, wrong)
	is(t, "Commit under another digest", err, errdefs.ErrCorrupt)
	for _, dgst := range []digest.Digest{wrong, digest.FromBytes(b)} {
		_, err = s.Registry.StatBlob(s.Context, "suite/corrupt", dgst)
		is(t, "StatBlob after a corrupt Commit", err, errdefs.ErrNotFound)
	}
}

func testUploadCancel(t *testing.T, s Subject) {
	up, err := s.Registry.StartUpload(s.Context, "suite/cancel")
	if err != nil {
		t.Fatal(err)
	}
	id := up.ID()
	if _, err := up.Write([]byte("never mind")); err != nil {
		t.Fatal(err)
	}
	if err := up.Close(); err != nil {
		t.Fatal(err)
	}
	for repo, id := range map[string]string{"suite/other": id, "suite/cancel": "no-such-upload"} {
		_, err = s.Registry.ResumeUpload(s.Context, repo, id)
		is(t, "ResumeUpload of a stranger's", err, errdefs.ErrNotFound)
	}
	if up, err = s.Registry.ResumeUpload(s.Context, "suite/cancel", id); err != nil {
		t.Fatal(err)
	}
	if err := up.Cancel(s.Context); err != nil {
		t.Fatalf("Cancel: %v", err)
	}
	_ = up.Close() // as a handler's defer does
	_, err = s.Registry.ResumeUpload(s.Context, "suite/cancel", id)
	is(t, "ResumeUpload after Cancel", err, errdefs.ErrNotFound)
}

func testUploadSHA512(t *testing.T, s Subject) {
	b := Bytes(512, 70000)
	up, err := s.Registry.StartUpload(s.Context, "suite/sha512")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	if _, err := up.Write(b); err != nil {
		t.Fatal(err)
	}
	dgst := digest.SHA512.FromBytes(b)
	if _, err := up.Commit(s.Context, dgst); err != nil {
		t.Fatal(err)
	}
	rd, err := s.Registry.OpenBlob(s.Context, "suite/sha512", dgst)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	if rd.Size() != int64(len(b)) {
		t.Errorf("size %d, want %d", rd.Size(), len(b))
	}
}

// testUploadTwins pushes one blob many times at once: all succeed.
func testUploadTwins(t *testing.T, s Subject) {
	b := Bytes(3, 200<<10)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { push(t, s, fmt.Sprintf("suite/twin%d", i%2), b) })
	}
	wg.Wait()
	holds(t, s, "suite/twin0", b)
	holds(t, s, "suite/twin1", b)
}

func testBlobMembership(t *testing.T, s Subject) {
	b := []byte("only in one repository")
	push(t, s, "suite/mine", b)
	_, err := s.Registry.StatBlob(s.Context, "suite/theirs", digest.FromBytes(b))
	is(t, "StatBlob in another repository", err, errdefs.ErrNotFound)
	_, err = s.Registry.OpenBlob(s.Context, "suite/theirs", digest.FromBytes(b))
	is(t, "OpenBlob in another repository", err, errdefs.ErrNotFound)
}

func testMount(t *testing.T, s Subject) {
	b := []byte("mounted")
	dgst := digest.FromBytes(b)
	push(t, s, "suite/from", b)
	_, err := s.Registry.MountBlob(s.Context, "suite/to", "suite/nowhere", dgst)
	is(t, "MountBlob from where it is not", err, errdefs.ErrNotFound)
	_, err = s.Registry.MountBlob(s.Context, "suite/to", "suite/from", digest.FromString("absent"))
	is(t, "MountBlob of what is not there", err, errdefs.ErrNotFound)
	if _, err := s.Registry.MountBlob(s.Context, "suite/to", "suite/from", dgst); err != nil {
		t.Fatalf("MountBlob: %v", err)
	}
	holds(t, s, "suite/to", b)
	if _, err := s.Registry.MountBlob(s.Context, "suite/auto", "", dgst); err != nil &&
		!errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("MountBlob from anywhere: %v", err)
	}
}
