package dockerconfig_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/internal/cli/dockerconfig"
)

func read(t *testing.T, body string) (dockerconfig.File, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return dockerconfig.Read(func(name string) string { return map[string]string{dockerconfig.Env: dir}[name] })
}

func TestRead(t *testing.T) {
	t.Parallel()
	f, err := read(t, `{"auths": {"h": {"auth": "x"}}, "psFormat": "table {{.ID}}", "detachKeys": "ctrl-x", "other": [1],
		"cliPluginsExtraDirs": ["/p"], "HttpHeaders": {"a": "b"}}`)
	if err != nil || f.PsFormat != "table {{.ID}}" || f.DetachKeys != "ctrl-x" || !slices.Equal(f.PluginFolders, []string{"/p"}) {
		t.Errorf("got %+v, %v", f, err)
	}
	if f, err := read(t, ""); err != nil || f.PsFormat != "" {
		t.Errorf("an empty file: %+v, %v", f, err)
	}
	if _, err := read(t, `{"psFormat": `); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("a file that is cut: %v", err)
	}
	home := t.TempDir()
	env := func(name string) string { return map[string]string{"HOME": home}[name] }
	if _, err := dockerconfig.Read(env); err != nil {
		t.Errorf("no file: %v", err)
	}
	if got := dockerconfig.Folder(env); got != filepath.Join(home, ".docker") {
		t.Errorf("the folder is %s", got)
	}
	if got := dockerconfig.Folder(func(string) string { return "" }); got != "" {
		t.Errorf("without a home the folder is %q", got)
	}
}

func TestProxyVariables(t *testing.T) {
	t.Parallel()
	f, err := read(t, `{"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "a,b"}, "tcp://other": {"ftpProxy": "x"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	got := f.ProxyVariables(func(name string) bool { return name == "http_proxy" })
	if want := []string{"HTTP_PROXY=http://p:1", "NO_PROXY=a,b", "no_proxy=a,b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
