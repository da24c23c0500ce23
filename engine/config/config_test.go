package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cove/engine/config"
	"cove/errdefs"
	_ "cove/internal/strictyaml/late/linked"
)

func write(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRead: docker's file, the machine's and the user's, each on top of the one
// before.
func TestRead(t *testing.T) {
	t.Parallel()
	docker := write(t, "daemon.json", `{
		"data-root": "/elsewhere", "features": {"buildkit": true},
		"registry-mirrors": ["https://a.example", "b.example:5000"],
		"insecure-registries": ["http://lab:5000", "10.0.0.0/8"]
	}`)
	machine := write(t, "config.yaml", `
insecure-registries: [lab2.example, fd00::/8]
registries:
  index.docker.io:
    mirrors: [http://c.example/hub]
  harbor.example:8443:
    insecure: true
    mirrors: [d.example]
`)
	user := write(t, "config.yaml", "registry-mirrors: []\n")
	for _, tc := range []struct {
		files config.Files
		want  config.Registries
	}{
		{config.Files{}, config.Registries{Mirrors: map[string][]string{}}},
		{config.Files{Docker: docker}, config.Registries{
			Mirrors:  map[string][]string{"docker.io": {"https://a.example", "b.example:5000"}},
			Insecure: []string{"http://lab:5000", "10.0.0.0/8"},
		}},
		{config.Files{Docker: docker, Own: []string{machine, "/nowhere/config.yaml"}}, config.Registries{
			Mirrors:  map[string][]string{"docker.io": {"http://c.example/hub"}, "harbor.example:8443": {"d.example"}},
			Insecure: []string{"http://lab:5000", "10.0.0.0/8", "fd00::/8", "harbor.example:8443", "lab2.example"},
		}},
		{config.Files{Docker: docker, Own: []string{user}}, config.Registries{
			Mirrors:  map[string][]string{"docker.io": {}},
			Insecure: []string{"http://lab:5000", "10.0.0.0/8"},
		}},
		{config.Files{Docker: write(t, "daemon.json", " \n"), Own: []string{write(t, "c", "# nothing yet\n")}}, config.Registries{Mirrors: map[string][]string{}}},
	} {
		got, err := tc.files.Read()
		if err != nil || !same(got, tc.want) {
			t.Errorf("%+v = %+v, %v; want %+v", tc.files, got, err, tc.want)
		}
	}
}

func same(a, b config.Registries) bool {
	return fmt.Sprint(a.Insecure, a.Mirrors) == fmt.Sprint(b.Insecure, b.Mirrors)
}

// TestRuntimes: those of docker's file, and cove's own over them.
func TestRuntimes(t *testing.T) {
	t.Parallel()
	docker := write(t, "daemon.json", `{"default-runtime": "nvidia", "runtimes": {
		"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": ["--debug"]}, "kata": {"runtimeType": "io.containerd.kata.v2"}}}`)
	own := write(t, "config.yaml", "runtimes:\n  kata: {path: /opt/kata, args: [--log, x]}\n")
	got, err := config.Files{Docker: docker, Own: []string{own}}.Read()
	want := map[string]config.Runtime{
		"nvidia": {Path: "nvidia-container-runtime", Args: []string{"--debug"}}, "kata": {Path: "/opt/kata", Args: []string{"--log", "x"}},
	}
	if err != nil || !reflect.DeepEqual(got.Runtimes, want) {
		t.Errorf("%+v, %v", got.Runtimes, err)
	}
	_, err = config.Files{Own: []string{write(t, "config.yaml", "runtimes: {kata: {args: [a]}}\n")}}.Read()
	if !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), "runtimes: kata: the path is missing") {
		t.Error(err)
	}
}

// TestSignatures: the user's word counts for the prefixes that it names, and files of
// keys lie beside the file that names them.
func TestSignatures(t *testing.T) {
	t.Parallel()
	machine := write(t, "config.yaml", `
signatures:
  "*": {keys: [all.pub]}
  harbor.example:8443/team: {keys: [/keys/team.pub, ca.crt]}
  docker.io: {unsigned: true}
`)
	user := write(t, "config.yaml", "signatures: {docker.io: {keys: [hub.pub]}}\n")
	got, err := config.Files{Own: []string{machine, user}}.Read()
	if err != nil {
		t.Fatal(err)
	}
	beside := func(file, key string) string { return filepath.Join(filepath.Dir(file), key) }
	want := []config.Signed{
		{Prefix: "docker.io", Keys: []string{beside(user, "hub.pub")}, File: user},
		{Prefix: "*", Keys: []string{beside(machine, "all.pub")}, File: machine},
		{Prefix: "harbor.example:8443/team", Keys: []string{"/keys/team.pub", beside(machine, "ca.crt")}, File: machine},
	}
	if !reflect.DeepEqual(got.Signatures, want) {
		t.Errorf("got  %+v\nwant %+v", got.Signatures, want)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"registry-mirrors: [https://a]\nregistry-miror: x":     ":2: there is no key registry-miror; did you mean registry-mirrors?",
		"registry-mirrors:\n  - https://a\n  - ftp://b":        `:3: registry-mirrors: mirror "ftp://b": want https://HOST[:PORT][/PATH]`,
		"signatures:\n  team: {}":                              ":2: ",
		"signatures:\n  r.example/T: {}":                       ":2: ",
		"signatures: {r.example: {key: [a]}}":                  ":1: there is no key signatures.r.example.key; did you mean signatures.r.example.keys?",
		"signatures: {r.example: {keys: [a], unsigned: true}}": ": signatures: r.example: keys and unsigned exclude each other",
		"registry-mirrors: https://a":                          ":1: registry-mirrors: it is a list; write [https://a]",
		"insecure-registries:\n- a\n- 10.0.0.0/40":             `:3: insecure-registries: insecure registry "10.0.0.0/40"`,
		"registries:\n  harbor:\n    insecure: true":           ":2: registries.harbor: it is no registry: its name has a dot",
		"registries:\n  a.example:\n    mirror: [x]":           ":3: there is no key registries.a.example.mirror; did you mean registries.a.example.mirrors?",
		"registries:\n  a.example:\n    insecure: perhaps":     `:3: registries.a.example.insecure: "perhaps" is neither true nor false`,
		"registries:\n  a.example: http://m":                   ":2: registries.a.example: it holds keys: mirrors, insecure",
		"registries:\n  a.example:\n    mirrors: ['u:p@x']":    ":3: registries.a.example.mirrors: mirror",
	} {
		name := write(t, "config.yaml", body)
		_, err := config.Files{Own: []string{name}}.Read()
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.HasPrefix(err.Error(), name+want) {
			t.Errorf("%q: %v\nwant %s", body, err, want)
		}
	}
	for body, want := range map[string]string{
		"{\n\"registry-mirrors\": [\n":       ":3: unexpected end",
		"{\n\n\"registry-mirrors\": \"x\" }": ":3: ",
		`{"registry-mirrors": ["ftp://x"]}`:  `: mirror "ftp://x"`,
		`{"insecure-registries": ["a/b"]}`:   `: insecure registry "a/b"`,
	} {
		name := write(t, "daemon.json", body)
		_, err := config.Files{Docker: name}.Read()
		if !errors.Is(err, errdefs.ErrInvalid) || !strings.HasPrefix(err.Error(), name+want) {
			t.Errorf("%q: %v\nwant %s", body, err, want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, []string{"/etc/cove/config.yaml"}},
		{map[string]string{"HOME": "/h"}, []string{"/etc/cove/config.yaml", "/h/.config/cove/config.yaml"}},
		{map[string]string{"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, []string{"/etc/cove/config.yaml", "/x/cove/config.yaml"}},
		{map[string]string{"HOME": "/h", "COVE_CONFIG": "/c.yaml"}, []string{"/c.yaml"}},
	} {
		got := config.Find(func(k string) string { return tc.env[k] })
		if got.Docker != "/etc/docker/daemon.json" || !reflect.DeepEqual(got.Own, tc.want) {
			t.Errorf("%v: %+v, want %v", tc.env, got, tc.want)
		}
	}
}

func ExampleRegistries_Over() {
	files := config.Registries{Mirrors: map[string][]string{"docker.io": {"https://a.example"}}, Insecure: []string{"lab:5000"}}
	flags := config.Registries{Mirrors: map[string][]string{"docker.io": {"https://b.example"}}, Insecure: []string{"10.0.0.0/8"}}
	all := flags.Over(files)
	fmt.Println(all.Mirrors, all.Insecure)
	// Output: map[docker.io:[https://b.example]] [lab:5000 10.0.0.0/8]
}
