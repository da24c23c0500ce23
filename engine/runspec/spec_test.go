package runspec

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/errdefs"
	"cove/runner/record"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	redis = ocispec.ImageConfig{
		Env:        []string{"PATH=/usr/bin:/bin", "REDIS_VERSION=7.0.15"},
		Entrypoint: []string{"docker-entrypoint.sh"},
		Cmd:        []string{"redis-server"},
		WorkingDir: "/data",
		Labels:     map[string]string{"maintainer": "redis", "kept": "yes"},
	}
	facts = Facts{
		ID:   strings.Repeat("0123456789abcdef", 4),
		User: User{UID: 0, GID: 0, Home: "/root"},
	}
)

func TestAssembleGolden(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o Options
		f func(*Facts)
	}{
		"plain": {o: Options{Image: "redis"}},
		"limits": {o: Options{Image: "redis", Resources: record.Resources{
			Memory: 64 << 20, NanoCPUs: 1_500_000_000, PidsLimit: 100, ShmSize: 1 << 20,
		}}},
		"user-tty-hostnet": {
			o: Options{Image: "redis", TTY: true, Network: "host", ReadOnly: true, Workdir: "/srv/../opt"},
			f: func(f *Facts) { f.User = User{UID: 999, GID: 998, Groups: []uint32{5}, Home: "/home/redis"} },
		},
		"binds-tmpfs": {
			o: Options{Image: "redis", Tmpfs: []record.Tmpfs{{Target: "/run", Options: []string{"size=64m"}}}},
			f: func(f *Facts) {
				f.Binds = []Bind{
					{Source: "/srv/deep", Target: "/data/a/b"},
					{Source: "/srv/data", Target: "/data/", ReadOnly: true},
					{Source: "/srv/shm", Target: "/dev/shm"},
				}
			},
		},
		"privileged": {
			o: Options{Image: "redis", Security: record.Security{Privileged: true}},
			f: func(f *Facts) {
				f.Devices = []Device{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Mode: 0o666}}
			},
		},
		"caps": {o: Options{Image: "redis", Security: record.Security{
			CapDrop: []string{"all"}, CapAdd: []string{"net_admin", "CAP_CHOWN"}, NoNewPrivileges: true,
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := facts
			if tc.f != nil {
				tc.f(&f)
			}
			spec, err := Assemble(redis, tc.o, f, "thehost")
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(spec, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, '\n')
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("spec differs from %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		img  ocispec.ImageConfig
		o    Options
		want []string
	}{
		{"image's own", redis, Options{}, []string{"docker-entrypoint.sh", "redis-server"}},
		{"command replaces Cmd", redis, Options{Command: []string{"sh", "-c", "x"}}, []string{"docker-entrypoint.sh", "sh", "-c", "x"}},
		{"entrypoint drops Cmd", redis, Options{Entrypoint: []string{"env"}}, []string{"env"}},
		{"entrypoint and command", redis, Options{Entrypoint: []string{"echo"}, Command: []string{"hi"}}, []string{"echo", "hi"}},
		{"empty entrypoint", redis, Options{Entrypoint: []string{}, Command: []string{"ls"}}, []string{"ls"}},
		{"command alone", ocispec.ImageConfig{}, Options{Command: []string{"ls"}}, []string{"ls"}},
	} {
		got, err := Args(tc.img, tc.o)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	for _, o := range []Options{{Entrypoint: []string{}}, {}} {
		img := redis
		if o.Entrypoint == nil {
			img = ocispec.ImageConfig{}
		}
		if _, err := Args(img, o); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("no command: got %v, want ErrInvalid", err)
		}
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	got := Env(redis, Options{TTY: true, Env: []string{"REDIS_VERSION", "A=1", "TERM=vt100"}}, "h", "/root")
	want := []string{"PATH=/usr/bin:/bin", "HOSTNAME=h", "TERM=vt100", "A=1", "HOME=/root"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := Env(ocispec.ImageConfig{}, Options{Env: []string{"HOME="}}, "h", "/root"); !slices.Contains(got, "HOME=/root") || slices.Contains(got, "HOME=") {
		t.Errorf("an empty HOME is none: %q", got)
	}
	got = Env(ocispec.ImageConfig{Env: []string{"HOME=/srv"}}, Options{}, "h", "/root")
	if want := []string{"PATH=" + DefaultPath, "HOSTNAME=h", "HOME=/srv"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		s          record.Security
		has, hasnt string
		count      int
	}{
		{"default", record.Security{}, "CAP_CHOWN", "CAP_SYS_ADMIN", 14},
		{"add", record.Security{CapAdd: []string{"SYS_ADMIN"}}, "CAP_SYS_ADMIN", "CAP_SYS_MODULE", 15},
		{"drop", record.Security{CapDrop: []string{"cap_chown"}}, "CAP_KILL", "CAP_CHOWN", 13},
		{"all but one", record.Security{CapAdd: []string{"ALL"}, CapDrop: []string{"SYS_MODULE"}}, "CAP_BPF", "CAP_SYS_MODULE", len(allCaps) - 1},
		{"only one", record.Security{CapAdd: []string{"KILL"}, CapDrop: []string{"ALL"}}, "CAP_KILL", "CAP_CHOWN", 1},
		{"privileged", record.Security{Privileged: true}, "CAP_SYS_MODULE", "", len(allCaps)},
	} {
		got, err := capSet(tc.s)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != tc.count || !slices.Contains(got, tc.has) || slices.Contains(got, tc.hasnt) {
			t.Errorf("%s: got %d %q; want %d with %s and without %q", tc.name, len(got), got, tc.count, tc.has, tc.hasnt)
		}
	}
	if _, err := capSet(record.Security{CapAdd: []string{"FLY"}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("unknown capability: got %v, want ErrInvalid", err)
	}
}

func TestAssembleRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o Options
		f Facts
	}{
		"relative workdir": {o: Options{Workdir: "srv"}},
		"relative tmpfs":   {o: Options{Tmpfs: []record.Tmpfs{{Target: "run"}}}},
		"bind over root":   {f: Facts{ID: facts.ID, Binds: []Bind{{Source: "/srv", Target: "/a/.."}}}},
	} {
		f := tc.f
		f.ID = facts.ID
		if _, err := Assemble(redis, tc.o, f, ""); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
}
