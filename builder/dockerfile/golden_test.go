package dockerfile

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/builder/dockerfile/bases"
	"cove/builder/plan"
	"cove/errdefs"
	"cove/layers"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var amd64 = ocispec.Platform{OS: "linux", Architecture: "amd64"}

// fakeImages are the images that tests can name in FROM, with their configs.
var fakeImages = map[string]string{
	"base":     `{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/bin:/bin","LANG=C"],"Cmd":["bash"]}}`,
	"base:one": `{"architecture":"amd64","os":"linux","config":{"WorkingDir":"/srv","User":"app"}}`,
	"base:two": `{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/init"],"Cmd":["serve"],"Shell":["/bin/ash","-c"]}}`,
	"other:1":  `{"architecture":"amd64","os":"linux","config":{}}`,
	"arm":      `{"architecture":"arm64","os":"linux","config":{}}`,
	"parent": `{"architecture":"amd64","os":"linux","history":[{"created_by":"before"}],
		"config":{"OnBuild":["COPY --from=other:1 /x /y","RUN triggered","ENV T=1"],"Env":["PATH=/bin"]}}`,
}

func fakeResolve(_ context.Context, name string, p ocispec.Platform) (plan.Base, error) {
	raw, ok := fakeImages[name]
	if !ok {
		return plan.Base{}, errdefs.Errorf(errdefs.ErrNotFound, "image %s: not found", name)
	}
	b := plan.Base{Name: name, RawConfig: []byte(raw), Layers: []layers.Layer{{DiffID: layers.DiffID(digest.FromString(name))}}}
	return b, json.Unmarshal(b.RawConfig, &b.Config)
}

func testOptions() Options {
	return Options{Platform: amd64, Build: amd64, Resolve: fakeResolve}
}

// TestGolden plans testdata/*/Dockerfile and compares with plan.golden.
func TestGolden(t *testing.T) {
	t.Parallel()
	options := map[string]func(*Options){
		"args": func(o *Options) {
			o.BuildArgs = map[string]string{"B": "given", "HTTP_PROXY": "http://proxy:3128", "UNUSED": "x"}
		},
		"platform": func(o *Options) {
			o.Platform = ocispec.Platform{OS: "linux", Architecture: "arm64"}
		},
		"contexts": func(o *Options) {
			o.Contexts = bases.Contexts{"alias": {Image: "other:1"}, "files": {}, "overridden::linux/amd64": {Image: "base:one"}}
		},
		"config": func(o *Options) { o.Labels = map[string]string{"extra": "yes"}; o.NoCache = true },
	}
	files, err := filepath.Glob("testdata/*/Dockerfile")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, f := range files {
		name := filepath.Base(filepath.Dir(f))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			opt := testOptions()
			if change := options[name]; change != nil {
				change(&opt)
			}
			g, err := Plan(t.Context(), src, opt)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(filepath.Dir(f), "plan.golden")
			got := g.Dump()
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("plan differs from %s (run with -update and read the diff):\n%s", golden, firstDifference(got, string(want)))
			}
		})
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			return "got:  " + g[i] + "\nwant: " + strings.Join(w[min(i, len(w)):min(i+1, len(w))], "")
		}
	}
	return "the golden file is longer"
}
