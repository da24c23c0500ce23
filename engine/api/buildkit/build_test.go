package buildkit_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	buildkiterrors "github.com/moby/buildkit/solver/errdefs"
	"github.com/tonistiigi/fsutil"

	"cove/engine/api/buildkit"
)

const app = `FROM busybox AS base
ARG WORD=none
COPY a /a
RUN echo said $WORD; cat /a >&2
FROM base AS last
LABEL l=1
`

func mounts(dir fsutil.FS) map[string]fsutil.FS {
	return map[string]fsutil.FS{"context": dir, "dockerfile": dir}
}

// TestBuild: both ways to connect build, tell of it, and know the second time.
func TestBuild(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	for name, c := range map[string]*client.Client{"upgraded": f.byUpgrade(t), "http2": f.byHTTP2(t)} {
		opt := client.SolveOpt{
			LocalMounts:   mounts(folder(t, map[string]string{"Dockerfile": app, "a": "of a\n", ".dockerignore": "b\n", "b": "x"})),
			FrontendAttrs: map[string]string{"build-arg:WORD": name, "label:from": name},
			Exports:       []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": "docker.io/library/app:" + name}}},
		}
		made, told, err := build(t.Context(), t, c, opt)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, want := range []string{"said " + name, "of a"} {
			if !strings.Contains(told.logs, want) {
				t.Errorf("%s: the log has no %q: %q", name, want, told.logs)
			}
		}
		image, err := f.engine.InspectImage(t.Context(), "app:"+name)
		if err != nil {
			t.Fatal(err)
		}
		if made["containerimage.digest"] != image.ID || made["image.name"] != "docker.io/library/app:"+name ||
			made["containerimage.descriptor"] == "" || made["containerimage.config.digest"] != image.ID {
			t.Errorf("%s: %v", name, made)
		}
		if got := image.Config.Labels; got["l"] != "1" || got["from"] != name {
			t.Errorf("%s: labels %v", name, got)
		}
		_, told, err = build(t.Context(), t, c, opt)
		if step := "[base 3/3] RUN echo said $WORD; cat /a >&2"; err != nil || !told.cached[step] {
			t.Errorf("%s: %s is not cached: %v %v", name, step, told.cached, err)
		}
	}
}

// TestFailure: the error has docker's words, and the lines of the Dockerfile.
func TestFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byUpgrade(t)
	source := "FROM busybox\nRUN echo out; exit 7\n"
	_, told, err := build(t.Context(), t, c, client.SolveOpt{LocalMounts: mounts(folder(t, map[string]string{"Dockerfile": source}))})
	want := `process "/bin/sh -c echo out; exit 7" did not complete successfully: exit code: 7`
	if err == nil || err.Error() != "failed to solve: "+want || told.errors["[2/2] RUN echo out; exit 7"] != want {
		t.Fatalf("%v, told %q", err, told.errors)
	}
	sources := buildkiterrors.Sources(err)
	if len(sources) != 1 || string(sources[0].Info.Data) != source || sources[0].Ranges[0].Start.Line != 2 {
		t.Errorf("sources: %v", sources)
	}
	for file, want := range map[string]string{
		"NOPE":                           "failed to read dockerfile: open Dockerfile: no such file",
		"FROM busybox\nCOPY nothing /\n": "nothing",
		"FORM busybox\n":                 "unknown instruction: FORM",
		"# syntax=docker.io/other/frontend\nFROM busybox": "other/frontend",
	} {
		files := map[string]string{"Dockerfile": file}
		if file == "NOPE" {
			files = map[string]string{"other": ""}
		}
		_, _, err := build(t.Context(), t, c, client.SolveOpt{LocalMounts: mounts(folder(t, files))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", file, err, want)
		}
	}
}

// TestClientsThings: secrets come from the client, and files go back to it.
func TestClientsThings(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	dir := folder(t, map[string]string{"Dockerfile": "FROM busybox AS run\nCOPY --from=more m /m\n" +
		"RUN --mount=type=secret,id=s,required=true cat /run/secrets/s && test \"$(cat /run/secrets/s | busybox wc -c)\" = 14 && echo made > /made\n" +
		"FROM scratch\nCOPY --from=run /made /m /\n"})
	out, archive := t.TempDir(), &closing{}
	local := mounts(dir)
	local["more"] = folder(t, map[string]string{"m": "of more"})
	_, told, err := build(t.Context(), t, f.byUpgrade(t), client.SolveOpt{
		LocalMounts:   local,
		FrontendAttrs: map[string]string{"context:more": "local:more"},
		Session:       []session.Attachable{secretsprovider.FromMap(map[string][]byte{"s": []byte("hunter2hunter2")})},
		Exports: []client.ExportEntry{
			{Type: "local", OutputDir: out},
			{Type: "tar", Output: func(map[string]string) (io.WriteCloser, error) { return archive, nil }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(told.logs, "hunter2") {
		t.Errorf("the log shows the secret: %q", told.logs)
	}
	for name, want := range map[string]string{"made": "made\n", "m": "of more"} {
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if !bytes.Contains(archive.Bytes(), []byte("of more")) {
		t.Errorf("the archive has %d bytes, and not the file", archive.Len())
	}
	_, _, err = build(t.Context(), t, f.byUpgrade(t), client.SolveOpt{
		LocalMounts: local, FrontendAttrs: map[string]string{"context:more": "local:more", "no-cache": ""},
	})
	if err == nil || !strings.Contains(err.Error(), `the secret "s" is required`) {
		t.Errorf("without the secret: %v", err)
	}
}

type closing struct{ bytes.Buffer }

func (*closing) Close() error { return nil }

// TestGateway: a client solves through the gateway, as buildx does; LLB is refused in
// words that say what to do.
func TestGateway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byHTTP2(t)
	dir := folder(t, map[string]string{"Dockerfile": "from busybox\nCOPY a /\n", "a": "1"})
	solve := func(req gateway.SolveRequest) (map[string][]byte, error) {
		var answers map[string][]byte
		_, err := c.Build(t.Context(), client.SolveOpt{LocalMounts: mounts(dir)}, "test",
			func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
				res, err := g.Solve(ctx, req)
				if err == nil {
					answers = res.Metadata
				}
				return res, err
			}, nil)
		return answers, err
	}
	if _, err := solve(gateway.SolveRequest{Frontend: "dockerfile.v0", Evaluate: true}); err != nil {
		t.Error(err)
	}
	answers, err := solve(gateway.SolveRequest{
		Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"requestid": "frontend.lint"},
	})
	if err != nil || string(answers["result.statuscode"]) != "1" || !strings.Contains(string(answers["result.json"]), "ConsistentInstructionCasing") {
		t.Errorf("lint: %s %v", answers, err)
	}
	def, err := llb.Image("busybox").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for want, req := range map[string]gateway.SolveRequest{
		"only Dockerfiles are built here": {Definition: def.ToPB()},
		"no other frontend runs":          {Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "example.com/frontend"}},
		"is not answered here":            {Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"requestid": "other.outline"}},
		"option nonsense=1":               {Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"nonsense": "1"}},
	} {
		if _, err := solve(req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := c.Solve(t.Context(), def, client.SolveOpt{}, nil); err == nil || !strings.Contains(err.Error(), "only Dockerfiles are built here") {
		t.Errorf("LLB: %v", err)
	}
}

// TestCanceled: a client that goes away ends its build, and what the build ran.
func TestCanceled(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	marker := "31" + strings.TrimLeft(time.Now().Format("150405"), "0")
	dir := folder(t, map[string]string{"Dockerfile": "FROM busybox\nRUN echo begun && sleep " + marker + "\n"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := build(ctx, t, f.byUpgrade(t), client.SolveOpt{LocalMounts: mounts(dir)})
		ended <- err
	}()
	waitFor(t, "the command to run", func() bool { return running(t, marker) })
	cancel()
	if err := <-ended; err == nil {
		t.Error("the build succeeded")
	}
	waitFor(t, "the command to end", func() bool { return !running(t, marker) })
}

func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 1500 {
		if is() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("waited 30 s for %s", what)
}

// running looks for a process with an argument.
func running(t *testing.T, arg string) bool {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if line, err := os.ReadFile(file); err == nil && bytes.HasPrefix(line, []byte("sleep\x00"+arg+"\x00")) {
			return true
		}
	}
	return false
}

// TestWorkers: what clients ask before they build, and of the cache.
func TestWorkers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byUpgrade(t)
	workers, err := c.ListWorkers(t.Context())
	if err != nil || len(workers) != 1 || workers[0].Labels["org.mobyproject.buildkit.worker.snapshotter"] == "" || workers[0].Platforms[0].OS != "linux" {
		t.Errorf("%+v %v", workers, err)
	}
	if got, err := c.Info(t.Context()); err != nil || got.BuildkitVersion.Package != "cove" {
		t.Errorf("%+v %v", got, err)
	}
	dir := folder(t, map[string]string{"Dockerfile": "FROM busybox\nCOPY a /\n", "a": "1"})
	if _, _, err := build(t.Context(), t, c, client.SolveOpt{LocalMounts: mounts(dir)}); err != nil {
		t.Fatal(err)
	}
	used, err := c.DiskUsage(t.Context())
	if err != nil || len(used) != 1 || used[0].Description == "" {
		t.Fatalf("%+v %v", used, err)
	}
	gone := make(chan client.UsageInfo, 10)
	if err := c.Prune(t.Context(), gone); err != nil || len(gone) != 1 {
		t.Errorf("pruned %d: %v", len(gone), err)
	}
}
