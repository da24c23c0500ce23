package host

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What somebody without root may use begins at the topmost group that is theirs.
func TestDelegated(t *testing.T) {
	t.Parallel()
	v1 := []Hierarchy{
		{Name: "memory", Controllers: []string{"memory"}, Mount: "/cg/memory"},
		{Name: "pids", Controllers: []string{"pids"}, Mount: "/cg/pids"},
		{Name: "systemd", Mount: "/cg/systemd"},
	}
	v2 := Hierarchy{Mount: "/cg", V2: true}
	const service = "/user.slice/user-7.slice/user@7.service"
	for name, tt := range map[string]struct {
		in       Cgroup
		own      string
		writable []string
		want     Cgroup
	}{
		"nothing": {Cgroup{Mode: CgroupV1, Hierarchies: v1}, "1:memory:/\n2:pids:/\n3:name=systemd:/\n", nil, Cgroup{Delegated: true}},
		"one of v1": {
			Cgroup{Mode: CgroupV1, Hierarchies: v1},
			"1:memory:/me/sub\n2:pids:/\n3:name=systemd:/s\n",
			[]string{"/cg/memory/me/sub", "/cg/memory/me"},
			Cgroup{Mode: CgroupV1, Delegated: true, Hierarchies: []Hierarchy{{Name: "memory", Controllers: []string{"memory"}, Mount: "/cg/memory/me"}}},
		},
		"a service of v2": {
			Cgroup{Mode: CgroupV2, Hierarchies: []Hierarchy{v2}},
			"0::" + service + "/app.slice/x.scope\n",
			[]string{"/cg" + service + "/app.slice/x.scope", "/cg" + service + "/app.slice", "/cg" + service},
			Cgroup{Mode: CgroupV2, Delegated: true, Hierarchies: []Hierarchy{{Mount: "/cg" + service, V2: true}}},
		},
		"a session of v2": {
			Cgroup{Mode: CgroupV2, Hierarchies: []Hierarchy{v2}},
			"0::/user.slice/user-7.slice/session-1.scope\n",
			[]string{"/cg" + service},
			Cgroup{Delegated: true},
		},
		"all of a namespace": {
			Cgroup{Mode: CgroupV2, Hierarchies: []Hierarchy{v2}},
			"0::/\n",
			[]string{"/cg/"},
			Cgroup{Mode: CgroupV2, Delegated: true, Hierarchies: []Hierarchy{{Mount: "/cg/", V2: true}}},
		},
	} {
		got := delegated(tt.in, []byte(tt.own), func(dir string) bool { return slices.Contains(tt.writable, dir) })
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestUserNamespaceMakesNoDevices(t *testing.T) {
	t.Parallel()
	all := Features{Capabilities: 1<<63 - 1}
	if !all.MakesDevices() {
		t.Error("root makes none")
	}
	if all.UserNS = true; all.MakesDevices() {
		t.Error("root of a user namespace makes devices")
	}
	if strings.Contains(string(mustRead(t, "/proc/self/uid_map")), "4294967295") && inUserNamespace() {
		t.Error("the first user namespace is taken for another")
	}
}

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	b, err := ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
