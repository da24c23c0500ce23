package parse

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network/publish"
	"cove/runner/record"
)

func TestVolume(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]runspec.Volume{
		"/data":                   {Target: "/data"},
		"/srv:/data":              {Source: "/srv", Target: "/data"},
		"/srv:/data:ro":           {Mode: "ro", Source: "/srv", Target: "/data", ReadOnly: true},
		"db_1:/data:nocopy,z":     {Mode: "nocopy,z", Source: "db_1", Target: "/data", NoCopy: true},
		"/srv:/data:rslave,ro":    {Mode: "rslave,ro", Source: "/srv", Target: "/data", ReadOnly: true, Propagation: "rslave"},
		"/a b:/data with space:Z": {Mode: "Z", Source: "/a b", Target: "/data with space"},
		"/srv:/data:cached":       {Mode: "cached", Source: "/srv", Target: "/data"},
		"/srv:/data:delegated,ro": {Mode: "delegated,ro", Source: "/srv", Target: "/data", ReadOnly: true},
	} {
		got, err := Volume(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "data", "/srv:data", ":/data", "./srv:/data", "/a:/b:ro:x", "/a:/", "/a:/b:lazy", "x:/y"} {
		if _, err := Volume(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", in, err)
		}
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	local := netip.MustParseAddr("127.0.0.1")
	for in, want := range map[string][]publish.Port{
		"80":                  {{ContainerPort: 80}},
		"8080:80":             {{HostPort: 8080, ContainerPort: 80}},
		"127.0.0.1:8080:80":   {{HostIP: local, HostPort: 8080, ContainerPort: 80}},
		"127.0.0.1::80/udp":   {{HostIP: local, ContainerPort: 80, Proto: "udp"}},
		"[::1]:53:53/udp":     {{HostIP: netip.MustParseAddr("::1"), HostPort: 53, ContainerPort: 53, Proto: "udp"}},
		"7000-7001:8000-8001": {{HostPort: 7000, ContainerPort: 8000}, {HostPort: 7001, ContainerPort: 8001}},
		"7000-7002:80":        {{HostPort: 7000, HostLast: 7002, ContainerPort: 80}},
		"65535:65535/tcp":     {{HostPort: 65535, ContainerPort: 65535, Proto: "tcp"}},
		"65534-65535:1-2/tcp": {{HostPort: 65534, ContainerPort: 1, Proto: "tcp"}, {HostPort: 65535, ContainerPort: 2, Proto: "tcp"}},
		"0.0.0.0:1:1":         {{HostIP: netip.MustParseAddr("0.0.0.0"), HostPort: 1, ContainerPort: 1}},
	} {
		got, err := Ports(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
	for _, in := range []string{"", "0", "65536", "x:80", "1-2:80-84", "80/icmp", "2-1", "host:1:1", "1:2:3:4x"} {
		if _, err := Ports(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", in, err)
		}
	}
}

func TestHostAndTmpfs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]runspec.Host{
		"db:10.0.0.1": {Name: "db", IP: "10.0.0.1"},
		"db=[::1]":    {Name: "db", IP: "::1"},
		"db:fe80::1":  {Name: "db", IP: "fe80::1"},
	} {
		if got, err := Host(in); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"db", "db:", ":1.1.1.1", "db:nowhere"} {
		if _, err := Host(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", in, err)
		}
	}
	got, err := Tmpfs("/run:size=1m,mode=755")
	if diff := cmp.Diff(record.Tmpfs{Target: "/run", Options: []string{"size=1m", "mode=755"}}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestSecurityOpt(t *testing.T) {
	t.Parallel()
	read := func(name string) ([]byte, error) {
		if name == "p.json" {
			return []byte("{}"), nil
		}
		return nil, os.ErrNotExist
	}
	for opt, want := range map[string]record.Security{
		"no-new-privileges":       {NoNewPrivileges: true},
		"no-new-privileges:true":  {NoNewPrivileges: true},
		"no-new-privileges=false": {},
		"seccomp=unconfined":      {Seccomp: "unconfined"},
		"seccomp:unconfined":      {Seccomp: "unconfined"},
		"seccomp=p.json":          {Seccomp: "{}"},
		"apparmor=unconfined":     {AppArmor: "unconfined"},
		"apparmor:unconfined":     {AppArmor: "unconfined"},
		"apparmor=/usr/bin/x":     {AppArmor: "/usr/bin/x"},
		"label=disable":           {},
		"label:disable":           {},
	} {
		var s record.Security
		if err := SecurityOpt(&s, opt, read); err != nil {
			t.Errorf("%s: %v", opt, err)
		} else if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("%s: %s", opt, diff)
		}
	}
	for opt, kind := range map[string]error{
		"seccomp=nope.json": errdefs.ErrInvalid, "no-new-privileges=maybe": errdefs.ErrInvalid, "label=type:x": errdefs.ErrUnsupported,
		"apparmor=": errdefs.ErrInvalid, "label=unconfined": errdefs.ErrUnsupported,
	} {
		if err := SecurityOpt(&record.Security{}, opt, read); !errors.Is(err, kind) {
			t.Errorf("%s: got %v, want %v", opt, err, kind)
		}
	}
}

func TestExpose(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"80": "80/tcp", "80/udp": "80/udp", "8000-8002/tcp": "8000/tcp 8001/tcp 8002/tcp",
		"80:80": "", "0": "", "x": "", "80/dccp": "", "90-80": "", "": "",
	} {
		got, err := Expose(text)
		if refused := want == ""; refused != errors.Is(err, errdefs.ErrInvalid) || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestVolumeModes(t *testing.T) {
	t.Parallel()
	for text, wrong := range map[string]string{
		"/a:/b:ro,rw": "invalid mode", "foo:/b:shared": "invalid mount config", "/a:/b:z,Z": "invalid mode", "/a:/b:shared,slave": "invalid mode",
		"/a:/b:nocopy": "nocopy is of volumes", "v:/b": "two or more", "vol:/b:nocopy,ro,z": "", "/a:/b:ro,rslave,cached": "",
	} {
		_, err := Volume(text)
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v; want %q", text, err, wrong)
		}
	}
}
