package lockfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/errdefs"
)

var (
	amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	old   = digest.FromString("old")
	moved = digest.FromString("moved")
)

// registry resolves names without a digest to what the tag stands for now.
type registry struct {
	now   digest.Digest
	asked []string
}

func (r *registry) resolve(name string) (plan.Base, error) {
	r.asked = append(r.asked, name)
	dgst := r.now
	if _, pinned, ok := strings.Cut(name, "@"); ok {
		dgst = digest.Digest(pinned)
	}
	return plan.Base{Name: name, Manifest: ocispec.Descriptor{Digest: dgst}}, nil
}

// again is a lock as the next build reads it.
func again(t *testing.T, l *Lock) *Lock {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	read, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if read.Changed() {
		t.Error("a lock that was read is changed")
	}
	return read
}

func TestImages(t *testing.T) {
	t.Parallel()
	first, r := &Lock{}, &registry{now: old}
	if b, err := first.Resolve("app:v1", amd64, r.resolve); err != nil || b.Manifest.Digest != old || !first.Changed() {
		t.Fatalf("%+v %v", b, err)
	}
	r.now = moved
	l := again(t, first)
	b, err := l.Resolve("docker.io/library/app:v1", amd64, r.resolve)
	if err != nil || b.Manifest.Digest != old || b.Name != "docker.io/library/app:v1" || l.Changed() {
		t.Errorf("by another spelling: %+v %v", b, err)
	}
	l.Renew = true
	if b, err := l.Resolve("app:v1", amd64, r.resolve); err != nil || b.Manifest.Digest != moved || !l.Changed() {
		t.Errorf("renewed: %+v %v", b, err)
	}
	l.Sealed, l.Renew, r.asked = true, false, nil
	for _, whole := range []string{"app@" + string(old), "oci-layout:///images:v1"} {
		if _, err := l.Resolve(whole, amd64, r.resolve); err != nil {
			t.Errorf("%s: %v", whole, err)
		}
	}
	r.asked = nil
	arm := ocispec.Platform{OS: "linux", Architecture: "arm64"}
	if _, err := l.Resolve("app:v1", arm, r.resolve); !errors.Is(err, errdefs.ErrDenied) || len(r.asked) > 0 ||
		!strings.Contains(err.Error(), "the image docker.io/library/app:v1 for linux/arm64 is not in the lock file") {
		t.Errorf("another platform: %v, asked for %v", err, r.asked)
	}
	none := (*Lock)(nil)
	if b, err := none.Resolve("app:v1", amd64, r.resolve); err != nil || b.Manifest.Digest != moved {
		t.Errorf("without a lock: %+v %v", b, err)
	}
}

func TestRepositoriesAndURLs(t *testing.T) {
	t.Parallel()
	commit := strings.Repeat("ab", 20)
	repo := &plan.Git{Remote: "https://me:pass@example.com/x.git", Ref: "main"}
	l := &Lock{}
	l.NoteGit(repo, commit)
	l.NoteURL("https://me:pass@example.com/a.tar", old)
	l.NoteGit(&plan.Git{Remote: repo.Remote, Ref: commit}, commit)
	if l.Commit(repo) != commit || l.Sum("https://example.com/a.tar") != old {
		t.Error("what was found is not told")
	}
	text, err := l.Text()
	if err != nil || strings.Contains(string(text), "pass") || strings.Count(string(text), "type") != 2 {
		t.Errorf("%s %v", text, err)
	}
	next := again(t, l)
	next.Sealed = true
	if got, err := next.AskGit(repo); err != nil || got != commit {
		t.Errorf("%q %v", got, err)
	}
	if got, err := next.AskURL("https://example.com/a.tar"); err != nil || got != old {
		t.Errorf("%q %v", got, err)
	}
	if _, err := next.AskGit(&plan.Git{Remote: repo.Remote}); !errors.Is(err, errdefs.ErrDenied) || !strings.Contains(err.Error(), "x.git#HEAD") {
		t.Errorf("another reference: %v", err)
	}
	if _, err := next.AskURL("https://example.com/b"); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("another URL: %v", err)
	}
	for _, whole := range []*plan.Git{{Remote: repo.Remote, Ref: commit}, {Remote: repo.Remote, Ref: "main", Commit: commit}} {
		if got, err := next.AskGit(whole); got != "" || err != nil {
			t.Errorf("%+v names its commit itself: %q %v", whole, got, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                           "no lock file",
		`{"version": 2}`:             "version 2",
		`{"version": 1, "more": []}`: "unknown field",
		`{"version":1,"entries":[{"type":"image","name":"a","digest":"sha256:1"}]}`: `image "a"`,
		`{"version":1,"entries":[{"type":"git","name":"a","commit":"abcd"}]}`:       "whole hash",
		`{"version":1,"entries":[{"type":"odd","name":"a"}]}`:                       "image, git or url",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
