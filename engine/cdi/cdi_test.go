package cdi

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	_ "cove/internal/strictyaml/late/linked"
)

const vendor = `cdiVersion: "0.6.0"
kind: example.com/net
containerEdits:
  env: [ALL=1]
devices:
- name: one
  containerEdits:
    env: ["ONE=1", "PATH=/x"]
    additionalGids: [0, 44]
    deviceNodes:
    - path: /dev/one
      hostPath: /dev/null
      permissions: rw
    - {path: /dev/two, type: c, major: 10, minor: 20, fileMode: 384, uid: 7}
    netDevices: [{hostInterfaceName: eth7, name: fast}]
    mounts:
    - {hostPath: /etc/hostname, containerPath: /opt/name, options: [ro]}
    - {hostPath: none, containerPath: /opt/t, type: tmpfs}
    hooks:
    - {hookName: createContainer, path: /bin/true, args: [true, x], timeout: 3}
- name: two
  containerEdits: {env: [TWO=2]}
`

func files(t *testing.T, texts map[string]string) (dirs []string) {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"etc", "run", "none"} {
		dirs = append(dirs, filepath.Join(root, name))
	}
	for name, text := range texts {
		name = filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

func spec() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{Env: []string{"PATH=/bin"}}, Linux: &specs.Linux{},
		Mounts: []specs.Mount{{Destination: "/opt/name", Source: "/other", Type: "bind"}},
	}
}

func TestInject(t *testing.T) {
	t.Parallel()
	dirs := files(t, map[string]string{"etc/v.yaml": vendor})
	s := spec()
	if err := Inject(s, []string{"example.com/net=one", "example.com/net=two"}, dirs); err != nil {
		t.Fatal(err)
	}
	if env := strings.Join(s.Process.Env, " "); env != "PATH=/x ALL=1 ONE=1 TWO=2" {
		t.Error(env)
	}
	if !slices.Equal(s.Process.User.AdditionalGids, []uint32{44}) {
		t.Error(s.Process.User.AdditionalGids)
	}
	if d := s.Linux.Devices; len(d) != 2 || d[0].Path != "/dev/one" || d[0].Major != 1 || d[0].Minor != 3 ||
		d[1].Major != 10 || *d[1].UID != 7 || *d[1].FileMode != 0o600 {
		t.Errorf("%+v", d)
	}
	if r := s.Linux.Resources.Devices; len(r) != 2 || r[0].Access != "rw" || r[1].Access != "rwm" || *r[1].Minor != 20 {
		t.Errorf("%+v", r)
	}
	if s.Linux.NetDevices["eth7"].Name != "fast" {
		t.Errorf("%+v", s.Linux.NetDevices)
	}
	if m := s.Mounts; len(m) != 2 || m[0].Source != "/etc/hostname" || !slices.Contains(m[0].Options, "rbind") ||
		m[1].Type != "tmpfs" || len(m[1].Options) != 0 {
		t.Errorf("%+v", m)
	}
	if h := s.Hooks.CreateContainer; len(h) != 1 || *h[0].Timeout != 3 {
		t.Errorf("%+v", s.Hooks)
	}
}

// TestWhichFile takes the later directory's, and none of two in one directory.
func TestWhichFile(t *testing.T) {
	t.Parallel()
	const json = `{"cdiVersion":"1.0.0","kind":"example.com/net","devices":[{"name":"two","containerEdits":{"env":["TWO=run"]}}]}`
	dirs := files(t, map[string]string{"etc/v.yaml": vendor, "run/v.json": json, "etc/readme.txt": "x", "etc/bad.yaml": "devices: 7"})
	s := spec()
	if err := Inject(s, []string{"example.com/net=two"}, dirs); err != nil || !slices.Contains(s.Process.Env, "TWO=run") {
		t.Errorf("%v, %q", err, s.Process.Env)
	}
	if got := strings.Join(List(dirs), " "); got != "example.com/net=one example.com/net=two" {
		t.Error(got)
	}
	dirs = files(t, map[string]string{"etc/v.yaml": vendor, "etc/w.json": json})
	err := Inject(spec(), []string{"example.com/net=two"}, dirs)
	if !errors.Is(err, errdefs.ErrNotFound) || !strings.Contains(err.Error(), "w.json have it") {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	device := func(edits string) string {
		return `{"cdiVersion":"0.5.0","kind":"a.com/b","devices":[{"name":"c","containerEdits":{` + edits + `}}]}`
	}
	for text, kind := range map[string]error{
		"":                                  errdefs.ErrNotFound,
		device(`"intelRdt":{"closID":"x"}`): errdefs.ErrUnsupported,
		device(`"hooks":[{"hookName":"x","path":"/x"}]`):  errdefs.ErrUnsupported,
		device(`"deviceNodes":[{"path":"/dev/nosuch"}]`):  errdefs.ErrInvalid,
		device(`"unknown":1`):                             errdefs.ErrNotFound,
		strings.Replace(device(``), "0.5.0", "2.0.0", 1):  errdefs.ErrNotFound,
		strings.Replace(device(``), `"c"`, `"-c"`, 1):     errdefs.ErrNotFound,
		strings.Replace(device(``), `a.com/b`, `a.b`, 1):  errdefs.ErrNotFound,
		strings.Replace(device(``), `[{"name`, `{{"n`, 1): errdefs.ErrNotFound,
	} {
		if err := Inject(spec(), []string{"a.com/b=c"}, files(t, map[string]string{"etc/a.json": text})); !errors.Is(err, kind) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := Inject(spec(), nil, []string{"/nosuch"}); err != nil {
		t.Error(err)
	}
	for name, ok := range map[string]bool{"v.com/c=0:1": true, "v.com/gpu=GPU-1_x.y": true, "v/c=": false, "/dev/x=y": false, "v.com=c": false} {
		if IsName(name) != ok {
			t.Error(name)
		}
	}
}

func TestMatching(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := `{"cdiVersion": "0.6.0", "kind": "example.com/dev", "devices": [
		{"name": "b", "containerEdits": {"env": ["A=1"]}}, {"name": "a", "containerEdits": {"env": ["A=1"]}}]}`
	if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"example.com/dev=b": "example.com/dev=b", "example.com/dev=*": "example.com/dev=a example.com/dev=b",
		"example.com/dev": "example.com/dev=a", "example.com/dev=c": "", "example.com/de": "", "example.com/d=*": "",
	} {
		if got := strings.Join(Matching([]string{dir}, name), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
