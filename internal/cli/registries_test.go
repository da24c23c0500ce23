package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cove runs the command line in a state root of its own.
func cove(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(Cove(here), append([]string{"--root", t.TempDir()}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func configFile(t *testing.T, body string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COVE_CONFIG", name)
}

func TestInfoShowsRegistries(t *testing.T) {
	configFile(t, "registry-mirrors: [https://file.example]\ninsecure-registries: [10.9.0.0/16, 'http://lab:5000/']\n"+
		"registries: {h.example: {mirrors: [m.example], insecure: true}}\n")
	t.Setenv("COVE_INSECURE_REGISTRIES", "variable.example")
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"info"}, []string{
			" Insecure Registries:\n  h.example\n  lab:5000\n  variable.example\n  ::1/128\n  127.0.0.0/8\n  10.9.0.0/16\n",
			" Registry Mirrors:\n  https://file.example\n  m.example (of h.example)\n",
		}},
		{[]string{"--registry-mirror", "http://flag:5000", "info"}, []string{" Registry Mirrors:\n  http://flag:5000\n  m.example"}},
		{[]string{"--registry-mirror=", "info"}, []string{" Registry Mirrors:\n  m.example (of h.example)"}},
		{[]string{"info", "--format", "{{json .RegistryConfig.Mirrors}} {{(index .RegistryConfig.IndexConfigs \"lab:5000\").Secure}}"}, []string{
			"[\"https://file.example\"] false\n",
		}},
	} {
		code, out, errOut := cove(t, tc.args...)
		for _, want := range tc.want {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("%v: %d, %s\n%s\nwant %s", tc.args, code, errOut, out, want)
			}
		}
	}
}

func TestMistakeInConfigIsNamed(t *testing.T) {
	configFile(t, "insecure-registries: []\nmirrors: [https://x]\n")
	for _, args := range [][]string{{"info"}, {"pull", "busybox"}} {
		if code, _, errOut := cove(t, args...); code == 0 || !strings.Contains(errOut, os.Getenv("COVE_CONFIG")+":2: there is no key mirrors") {
			t.Errorf("%v: %d, %s", args, code, errOut)
		}
	}
}

// TestMirrorsAreAsked: pull and a build's FROM both read from the mirror, and
// from the registry that is nowhere after it.
func TestMirrorsAreAsked(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path] = true
		mu.Unlock()
		if r.URL.Path != "/v2/" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	configFile(t, "registries: {nowhere.invalid: {mirrors: ["+srv.URL+"]}}\n")
	t.Setenv("COVE_REGISTRY_MIRRORS", srv.URL)
	context := t.TempDir()
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte("FROM nowhere.invalid/base:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, args := range map[string][]string{
		"/v2/team/app/manifests/v1": {"pull", "nowhere.invalid/team/app:v1"},
		"/v2/base/manifests/1":      {"build", context},
	} {
		code, _, errOut := cove(t, args...)
		if code == 0 || !asked[path] || !strings.Contains(errOut, "nowhere.invalid") {
			t.Errorf("%v: %d, %s\nthe mirror was asked for %v", args, code, errOut, asked)
		}
	}
}
