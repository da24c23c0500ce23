package builds

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder"
	"cove/builder/command"
	"cove/builder/export"
	"cove/builder/plan"
	"cove/errdefs"
)

// rootOnly is an engine of which a history needs no more.
type rootOnly struct {
	Engine
	dir string
}

func (e rootOnly) BuildDir() string { return e.dir }
func (rootOnly) Now() time.Time     { return time.Now() }

// oneSecret has one secret.
type oneSecret struct{ value string }

func (c oneSecret) Secret(_ context.Context, id string) ([]byte, error) {
	if id != "known" {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no secret %s", id)
	}
	return []byte(c.value), nil
}

func (oneSecret) Agent(context.Context, string) (Agent, error) { return nil, errdefs.ErrNotFound }

// TestHistoryHoldsNoSecret: neither those that were given, nor those that a client was
// asked for while the build ran, nor what is called like one.
func TestHistoryHoldsNoSecret(t *testing.T) {
	t.Parallel()
	e := rootOnly{dir: t.TempDir()}
	reqs := []builder.Request{{
		Context: "https://user:canary-password@example.com/x.git", Target: "canary-given",
		Secrets: map[string][]byte{"given": []byte("canary-given")}, Finder: oneSecret{"canary-found"},
		BuildArgs: map[string]string{"A": "canary-found", "API_TOKEN": "canary-token", "V": "1"},
		Labels:    map[string]string{"l": "canary-given"},
	}}
	told := 0
	reqs[0].Progress = func(Event) { told++ }
	r := beginHistory(e, reqs, []Options{{}})
	if value, err := reqs[0].Finder.Secret(t.Context(), "known"); err != nil || string(value) != "canary-found" {
		t.Fatal(string(value), err)
	}
	if _, err := reqs[0].Finder.Secret(t.Context(), "other"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Error(err)
	}
	reqs[0].Progress(Event{Kind: Failed, Vertex: &Vertex{Name: "RUN canary-found"}, Index: 1, Err: errors.New("canary-given")})
	failed := &plan.Error{
		Location: plan.Location{File: "Dockerfile", Line: 1, Instruction: "RUN canary-found"},
		Source:   []byte("FROM x\nRUN canary-found\n"),
		Err:      &command.Error{Err: &builder.ExitError{Code: 3}, Tail: []string{"the end"}},
	}
	r.end(t.Context(), reqs, nil, failed)
	rec, err := History(e).Find("")
	if err != nil || told != 1 {
		t.Fatal(rec, err, told)
	}
	if rec.Status != StatusFailed || rec.Failure.Tail[0] != "the end" || rec.BuildArgs["V"] != "1" || rec.BuildArgs["A"] != "***" {
		t.Errorf("%+v %+v", rec, rec.Failure)
	}
	files, err := filepath.Glob(filepath.Join(e.dir, "history", "*", "*"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"canary-given", "canary-found", "canary-token", "canary-password"} {
			if strings.Contains(string(data), bad) {
				t.Errorf("%s holds %s: %s", name, bad, data)
			}
		}
	}
}

func TestHistoryOfWhatEnded(t *testing.T) {
	t.Parallel()
	e := rootOnly{dir: t.TempDir()}
	reqs := []builder.Request{{Name: "a", BuildArgs: map[string]string{"X": "1"}}, {Name: "b", Platforms: []ocispec.Platform{{OS: "linux", Architecture: "arm64"}}}}
	r := beginHistory(e, reqs, []Options{{}, {}})
	target := ocispec.Descriptor{Digest: "sha256:" + "00"}
	results := []*Result{{Exported: []export.Exported{{Target: target, Names: []string{"docker.io/library/a:1"}}, {}}, Warnings: []Warning{{}}}, {}}
	r.end(t.Context(), reqs, results, nil)
	rec, err := History(e).Find("")
	if err != nil || rec.Status != StatusCompleted || rec.Name != "a,b" || len(rec.Images) != 1 || len(rec.Tags) != 1 ||
		rec.Warnings != 1 || rec.BuildArgs["a:X"] != "1" || rec.Platforms[0] != "linux/arm64" {
		t.Errorf("%+v %v", rec, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r = beginHistory(e, reqs, []Options{{}, {}})
	r.end(ctx, reqs, nil, ctx.Err())
	if rec, err := History(e).Find(""); err != nil || rec.Status != StatusCanceled {
		t.Errorf("%+v %v", rec, err)
	}
}

// TestABuildDoesNotFailForItsHistory: that it cannot be written is a warning.
func TestABuildDoesNotFailForItsHistory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	reqs := []builder.Request{{Context: "."}}
	r := beginHistory(rootOnly{dir: file}, reqs, []Options{{}})
	results := []*Result{{}}
	r.end(t.Context(), reqs, results, nil)
	if len(results[0].Warnings) != 1 || results[0].Warnings[0].Rule != "HistoryNotWritten" {
		t.Errorf("%+v", results[0].Warnings)
	}
}

func TestNameOfABuild(t *testing.T) {
	t.Parallel()
	for want, req := range map[string]builder.Request{
		"app":                         {Context: "/src/app"},
		"app (test)":                  {Context: "/src/app/", Dockerfile: "Dockerfile", Target: "test"},
		"app/ci.Dockerfile":           {Context: "/src/app", Dockerfile: "docker/ci.Dockerfile"},
		"-":                           {Context: "-"},
		"https://example.com/x.git#v": {Context: "https://example.com/x.git#v"},
		"web":                         {Context: "/tmp/x", Name: "web"},
		"team/app:1":                  {Context: "/tmp/x", Received: &Received{Name: "Dockerfile"}},
	} {
		if got := nameOf([]builder.Request{req}, []Options{{Names: []string{"team/app:1"}}}); got != want {
			t.Errorf("%+v: %s, want %s", req, got, want)
		}
	}
}
