package buildkit_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/buildkit/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/engine/api/buildkit"
)

// TestLocalCache: a directory of the client's has what one machine built for another.
func TestLocalCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "cache")
	files := folder(t, map[string]string{"Dockerfile": app, "a": "of a\n"})
	const step = "[base 3/3] RUN echo said $WORD; cat /a >&2"
	here := newFixture(t, buildkit.Config{}).withBase(t)
	opt := client.SolveOpt{
		LocalMounts: mounts(files),
		CacheExports: []client.CacheOptionsEntry{
			{Type: "local", Attrs: map[string]string{"dest": dir, "mode": "max", "tag": "main"}},
		},
	}
	if _, told, err := build(t.Context(), t, here.byUpgrade(t), opt); err != nil || told.cached[step] {
		t.Fatalf("%v %v", told.cached, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	var index ocispec.Index
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil || len(index.Manifests) != 1 || index.Manifests[0].Annotations[ocispec.AnnotationRefName] != "main" {
		t.Fatalf("%v %s", err, text)
	}
	there := newFixture(t, buildkit.Config{}).withBase(t)
	from := func(attrs map[string]string) bool {
		t.Helper()
		_, told, err := build(t.Context(), t, there.byHTTP2(t), client.SolveOpt{
			LocalMounts: mounts(files), FrontendAttrs: map[string]string{}, CacheImports: []client.CacheOptionsEntry{{Type: "local", Attrs: attrs}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return told.cached[step]
	}
	if !from(map[string]string{"src": dir, "tag": "main"}) {
		t.Error("the step is not cached on the other machine")
	}
}

// TestCachesOfNobody: who gives no store for a directory reaches none here, neither to read nor to
// write.
func TestCachesOfNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	c := f.byUpgrade(t)
	files := folder(t, map[string]string{"Dockerfile": "FROM busybox\n"})
	server := filepath.Join(t.TempDir(), "servers")
	for what, tc := range map[string]struct {
		attrs map[string]string
		want  string
	}{
		"a directory that is not lent": {
			map[string]string{"cache-imports": `[{"Type":"local","Attrs":{"src":"` + server + `","digest":"sha256:` + strings.Repeat("0", 64) + `"}}]`}, "",
		},
		"no digest":      {map[string]string{"cache-imports": `[{"Type":"local","Attrs":{"src":"` + server + `"}}]`}, "does not say which manifest"},
		"the inner type": {map[string]string{"cache-imports": `[{"Type":"lent","Attrs":{"src":"` + server + `"}}]`}, `type "lent" is not supported`},
		"no service":     {map[string]string{"cache-imports": `[{"Type":"gha","Attrs":{"scope":"x"}}]`}, "ACTIONS_RESULTS_URL"},
	} {
		_, _, err := build(t.Context(), t, c, client.SolveOpt{LocalMounts: mounts(files), FrontendAttrs: tc.attrs})
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", what, err, tc.want)
		}
		if _, err := os.Stat(server); err == nil {
			t.Errorf("%s: a directory was made here", what)
		}
	}
}

// TestActionsCache: the service of GitHub Actions is asked with the client's token.
func TestActionsCache(t *testing.T) {
	t.Parallel()
	f := newFixture(t, buildkit.Config{}).withBase(t)
	var asked atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer of-the-client" && strings.HasSuffix(r.URL.Path, "/GetCacheEntryDownloadURL") {
			asked.Add(1)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer service.Close()
	_, told, err := build(t.Context(), t, f.byUpgrade(t), client.SolveOpt{
		LocalMounts: mounts(folder(t, map[string]string{"Dockerfile": "FROM busybox\n"})), FrontendAttrs: map[string]string{},
		CacheImports: []client.CacheOptionsEntry{{Type: "gha", Attrs: map[string]string{
			"url_v2": service.URL, "token": "of-the-client", "version": "2", "scope": "main", "repository": "a/b", "ghtoken": "x",
		}}},
	})
	if err != nil || asked.Load() == 0 || !strings.Contains(told.warnings, "importing the build cache") {
		t.Errorf("asked %d times: %q %v", asked.Load(), told.warnings, err)
	}
	if strings.Contains(told.warnings, "of-the-client") {
		t.Errorf("the token is told: %s", told.warnings)
	}
}
