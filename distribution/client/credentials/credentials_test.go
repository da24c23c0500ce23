package credentials_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cove/distribution/client/credentials"
	"cove/errdefs"
)

func open(env map[string]string) *credentials.Store {
	return credentials.Open(func(k string) string { return env[k] })
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// auth is base64 of alice:secret.
const auth = `{"auth":"YWxpY2U6c2VjcmV0"}`

func TestRead(t *testing.T) {
	t.Parallel()
	alice := credentials.Credentials{Username: "alice", Password: "secret"}
	for name, tc := range map[string]struct {
		file, host string
		want       credentials.Credentials
		err        string
	}{
		"auth":           {`{"auths":{"h:5000":` + auth + `}}`, "h:5000", alice, ""},
		"another port":   {`{"auths":{"h:5000":` + auth + `}}`, "h:5001", credentials.Credentials{}, ""},
		"hub":            {`{"auths":{"https://index.docker.io/v1/":` + auth + `}}`, "docker.io", alice, ""},
		"podman's hub":   {`{"auths":{"docker.io":` + auth + `}}`, "docker.io", alice, ""},
		"URL":            {`{"auths":{"https://h/v1/":` + auth + `}}`, "h", alice, ""},
		"plain fields":   {`{"auths":{"h":{"username":"alice","password":"secret"}}}`, "h", alice, ""},
		"colon within":   {`{"auths":{"h":{"auth":"YTpiOmM="}}}`, "h", credentials.Credentials{Username: "a", Password: "b:c"}, ""},
		"no padding":     {`{"auths":{"h":{"auth":"YTpiOmM"}}}`, "h", credentials.Credentials{Username: "a", Password: "b:c"}, ""},
		"identity token": {`{"auths":{"h":{"auth":"YTo=","identitytoken":"tok"}}}`, "h", credentials.Credentials{IdentityToken: "tok"}, ""},
		"registry token": {`{"auths":{"h":{"registrytoken":"tok"}}}`, "h", credentials.Credentials{RegistryToken: "tok"}, ""},
		"empty file":     {``, "h", credentials.Credentials{}, ""},
		"null":           {`{"auths":null}`, "h", credentials.Credentials{}, ""},
		"no JSON":        {`{"auths":`, "h", credentials.Credentials{}, "config.json"},
		"no base64":      {`{"auths":{"h":{"auth":"!!"}}}`, "h", credentials.Credentials{}, "base64"},
		"no colon":       {`{"auths":{"h":{"auth":"YWxpY2U="}}}`, "h", credentials.Credentials{}, "USER:PASSWORD"},
		"helper's path":  {`{"credsStore":"../../evil"}`, "h", credentials.Credentials{}, "credential helper"},
		"no such helper": {`{"credsStore":"no-such-helper-here"}`, "h", credentials.Credentials{}, "docker-credential-no-such-helper-here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "config.json"), tc.file)
			got, err := open(map[string]string{"DOCKER_CONFIG": dir}).Credentials(t.Context(), tc.host)
			if tc.err == "" && (err != nil || got != tc.want) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%+v, %v; want %+v, %q", got, err, tc.want, tc.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(elem ...string) string { return filepath.Join(append([]string{dir}, elem...)...) }
	env := map[string]string{"HOME": path("home"), "XDG_RUNTIME_DIR": path("run")}
	write(t, path("home", ".config", "containers", "auth.json"), `{"auths":{"a":`+auth+`}}`)
	write(t, path("run", "containers", "auth.json"), `{"auths":{"b":`+auth+`}}`)
	write(t, path("home", ".docker", "config.json"), `{"auths":{"c":`+auth+`}}`)
	write(t, path("named.json"), `{"auths":{"d":`+auth+`}}`)
	for _, host := range []string{"a", "b", "c"} {
		if c, err := open(env).Credentials(t.Context(), host); err != nil || c.IsZero() {
			t.Errorf("%s: %+v, %v", host, c, err)
		}
	}
	env["REGISTRY_AUTH_FILE"] = path("named.json")
	if c, err := open(env).Credentials(t.Context(), "d"); err != nil || c.IsZero() {
		t.Errorf("d: %+v, %v", c, err)
	}
	if got := open(env).Path(); got != path("named.json") {
		t.Errorf("Put writes %s", got)
	}
	s := open(nil)
	if c, err := s.Credentials(t.Context(), "a"); err != nil || !c.IsZero() {
		t.Errorf("without a home: %+v, %v", c, err)
	}
	if err := s.Put(t.Context(), "a", credentials.Credentials{Username: "x", Password: "y"}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("Put without a home: %v", err)
	}
}

func TestPutErase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	s := open(map[string]string{"DOCKER_CONFIG": dir})
	alice := credentials.Credentials{Username: "alice", Password: "s:e cret"}
	for _, host := range []string{"docker.io", "localhost:5000"} {
		if err := s.Put(t.Context(), host, alice); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Credentials(t.Context(), host); err != nil || got != alice {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
	info, err := os.Stat(s.Path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	b, _ := os.ReadFile(s.Path())
	if !strings.Contains(string(b), "https://index.docker.io/v1/") || strings.Contains(string(b), "s:e cret") {
		t.Errorf("docker would not read this: %s", b)
	}
	for _, want := range []bool{true, false} {
		if found, err := s.Erase(t.Context(), "docker.io"); err != nil || found != want {
			t.Errorf("Erase = %v, %v", found, err)
		}
	}
	if got, _ := s.Credentials(t.Context(), "localhost:5000"); got != alice {
		t.Errorf("the other sign-in went too: %+v", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left beside it: %v", entries)
	}
}

// TestKeepsTheRest changes a file that belongs to docker, through a link.
func TestKeepsTheRest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real := filepath.Join(dir, "real", "config.json")
	write(t, real, `{"proxies":{"default":{"httpProxy":"p"}},"psFormat":"x","auths":{"h":`+auth+`},"big":12345678901234567890}`)
	if err := os.Symlink(real, filepath.Join(dir, "config.json")); err != nil {
		t.Fatal(err)
	}
	s := open(map[string]string{"DOCKER_CONFIG": dir})
	if err := s.Put(t.Context(), "new", credentials.Credentials{Username: "a", Password: "b"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(real)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 4 || string(all["big"]) != "12345678901234567890" || string(all["psFormat"]) != `"x"` {
		t.Errorf("file is now %s", b)
	}
	if info, err := os.Lstat(filepath.Join(dir, "config.json")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
}

func TestPutAtOnce(t *testing.T) {
	t.Parallel()
	s := open(map[string]string{"DOCKER_CONFIG": t.TempDir()})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := s.Put(t.Context(), fmt.Sprintf("h%d", i), credentials.Credentials{Username: "a", Password: "b"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		if c, err := s.Credentials(t.Context(), fmt.Sprintf("h%d", i)); err != nil || c.IsZero() {
			t.Errorf("h%d was lost: %v", i, err)
		}
	}
}

// TestHelper keeps sign-ins with a program, as docker's helpers are.
func TestHelper(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), `{"credHelpers":{"h":"cove-test"}}`)
	script := `#!/bin/sh
f=` + dir + `/kept
case $1 in
store) cat > $f ;;
get) if [ -s $f ]; then cat $f; else echo "credentials not found in native keychain"; exit 1; fi ;;
erase) : > $f ;;
esac
`
	write(t, filepath.Join(dir, "docker-credential-cove-test"), script)
	if err := os.Chmod(filepath.Join(dir, "docker-credential-cove-test"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s := open(map[string]string{"DOCKER_CONFIG": dir})
	for _, want := range []credentials.Credentials{{Username: "alice", Password: "secret"}, {IdentityToken: "tok"}} {
		if got, err := s.Credentials(t.Context(), "h"); err != nil || !got.IsZero() {
			t.Fatalf("at first: %+v, %v", got, err)
		}
		if err := s.Put(t.Context(), "h", want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Credentials(t.Context(), "h"); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
		if found, err := s.Erase(t.Context(), "h"); err != nil || !found {
			t.Errorf("Erase = %v, %v", found, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "config.json")); strings.Contains(string(b), "auths") {
		t.Errorf("the file has it too: %s", b)
	}
}

// TestOnly: what is for one host is for no other, to which that may send us.
func TestOnly(t *testing.T) {
	t.Parallel()
	k := credentials.Only("registry.example.com", credentials.Credentials{Username: "me", Password: "secret"})
	for host, want := range map[string]string{"registry.example.com": "me", "elsewhere.example.com": ""} {
		if got, err := k.Credentials(t.Context(), host); err != nil || got.Username != want || got.IsZero() != (want == "") {
			t.Errorf("%s: %+v, %v", host, got, err)
		}
	}
}
