package provenance

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/plan"
	"cove/builder/secret"
)

var update = flag.Bool("update", false, "write the golden files")

// example is a build of two stages, with a third that its image does not need.
func example() Build {
	amd64 := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}}
	sum := func(s string) digest.Digest { return digest.FromString(s) }
	g := &plan.Graph{Vertices: []*plan.Vertex{
		{ID: 0, Parent: plan.None, Definition: sum("0"), Op: &plan.Base{
			Name: "docker.io/library/golang:1.26", Manifest: ocispec.Descriptor{Digest: sum("golang")}, Config: amd64,
		}, Location: plan.Location{Line: 1}},
		{ID: 1, Parent: 0, Definition: sum("1"), Op: &plan.Run{
			Args: []string{"go", "build", "-ldflags", "canary-secret"}, Env: []string{"PATH=/bin", "API_TOKEN=canary-token"},
			Cwd: "/src", Network: "none",
			Mounts: []plan.RunMount{
				{Type: "secret", ID: "key", Target: "/run/secrets/key", Required: true},
				{Type: "cache", ID: "go", Target: "/var/cache/go"},
				{Type: "ssh", ID: "default"},
			},
		}, Location: plan.Location{Line: 3, End: 4}},
		{ID: 2, Parent: plan.None, Definition: sum("2"), Op: &plan.Base{Name: "example.com/not/needed:1"}},
		{ID: 3, Parent: plan.None, Definition: sum("3"), Op: &plan.Base{}},
		{ID: 4, Parent: 3, Inputs: []plan.ID{1}, Definition: sum("4"), Op: &plan.Copy{
			Selection: plan.Selection{Sources: []plan.Source{
				{Path: "out"},
				{URL: "https://me:canary-password@example.com/a.tar", Checksum: sum("a").String()},
				{Git: &plan.Git{Remote: "https://example.com/x.git", Ref: "v1", Commit: strings.Repeat("ab", 20)}},
			}},
			Placement: plan.Placement{Dest: "/app", Chown: "7", Chmod: "0755"},
		}, Location: plan.Location{Line: 6}},
		{ID: 5, Parent: 4, Definition: sum("5"), Op: &plan.Workdir{Path: "/app"}, Location: plan.Location{Line: 7}},
	}, Target: plan.Image{RootFS: 5}}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Build{
		ID: "build", Builder: amd64.Platform, Started: at, Finished: at.Add(time.Second), Local: []string{"context", "dockerfile"},
		Dockerfile: []byte("FROM golang:1.26\nLABEL x=canary-secret\n"), Name: "Dockerfile",
		Args: map[string]string{
			"build-arg:VERSION": "1", "build-arg:API_TOKEN": "canary-token", "label:l": "x canary-secret", "target": "app",
		},
		Graph: g, Image: g.Target,
		Layers:  map[plan.ID][]ocispec.Descriptor{4: {{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: sum("layer"), Size: 7}}},
		Secrets: secret.Of(map[string][]byte{"key": []byte("canary-secret")}),
	}
}

func TestPredicates(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"min": {}, "max": {Max: true}, "min-v0.2": {V02: true, BuilderID: "https://ci.example.com/1"},
		"max-v0.2": {V02: true, Max: true, Reproducible: true},
	} {
		got, err := example().Predicate(o)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got, []byte("canary")) {
			t.Errorf("%s gives a secret away: %s", name, got)
		}
		var text bytes.Buffer
		if err := json.Indent(&text, got, "", "  "); err != nil {
			t.Fatal(err)
		}
		text.WriteByte('\n')
		file := filepath.Join("testdata", name+".json")
		if *update {
			if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestOfARepository: the context is a material, and where the Dockerfile came from.
func TestOfARepository(t *testing.T) {
	t.Parallel()
	b := example()
	b.Local, b.Context, b.Commit = nil, "https://me:pass@example.com/app.git#v1", strings.Repeat("cd", 20)
	p := b.v1(Options{})
	want := configSource{
		URI: "https://xxxxx:xxxxx@example.com/app.git#v1", Digest: digestSet{"sha1": b.Commit}, Path: "Dockerfile",
	}
	if diff := cmp.Diff(want, p.BuildDefinition.External.ConfigSource); diff != "" {
		t.Error(diff)
	}
	first := p.BuildDefinition.ResolvedDependencies[0]
	if first.URI != want.URI || first.Digest["sha1"] != b.Commit {
		t.Errorf("%+v", first)
	}
	if m := p.RunDetails.Metadata; !m.Completeness.Dependencies || !m.Hermetic {
		t.Errorf("%+v", m)
	}
}

func TestPackageURL(t *testing.T) {
	t.Parallel()
	sum := digest.FromString("x").String()
	arm := ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	for name, want := range map[string]string{
		"alpine:3":                            "pkg:docker/alpine@3?platform=linux%2Farm%2Fv7",
		"team/app":                            "pkg:docker/team/app@latest?platform=linux%2Farm%2Fv7",
		"reg.example.com:5000/team/app:v1":    "pkg:docker/reg.example.com:5000/team/app@v1?platform=linux%2Farm%2Fv7",
		"alpine@" + sum:                       "pkg:docker/alpine?digest=" + sum + "&platform=linux%2Farm%2Fv7",
		"docker.io/library/redis:7-bookworm+": "",
	} {
		got, ok := PackageURL("docker", name, arm)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got, _ := PackageURL("docker", "alpine:3", ocispec.Platform{}); got != "pkg:docker/alpine@3" {
		t.Error(got)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		options map[string]string
		want    Options
	}{
		{nil, Options{}},
		{map[string]string{"mode": "max"}, Options{Max: true}},
		{map[string]string{"mode": "min", "inline-only": "true"}, Options{InlineOnly: true}},
		{map[string]string{"version": "v0.2", "builder-id": "x", "reproducible": "1"}, Options{V02: true, BuilderID: "x", Reproducible: true}},
	} {
		if got, err := Parse(c.options); err != nil || got != c.want {
			t.Errorf("%v: %+v %v", c.options, got, err)
		}
	}
	for key, value := range map[string]string{"mode": "odd", "version": "v2", "reproducible": "maybe", "odd": "1"} {
		if _, err := Parse(map[string]string{key: value}); err == nil {
			t.Errorf("%s=%s is accepted", key, value)
		}
	}
	if (Options{V02: true}).Type() != TypeV02 || (Options{}).Type() != TypeV1 {
		t.Error("types")
	}
}
