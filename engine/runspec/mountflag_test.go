package runspec

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/errdefs"
	"cove/runner/record"
)

func TestParseMount(t *testing.T) {
	t.Parallel()
	volume := func(v Volume) Mount { v.Mount = true; return Mount{Volume: &v} }
	tmpfs := func(target string, options ...string) Mount {
		return Mount{Tmpfs: &record.Tmpfs{Target: target, Options: options}}
	}
	for text, want := range map[string]Mount{
		"type=bind,source=/a,target=/b":                      volume(Volume{Source: "/a", Target: "/b"}),
		"type=bind,src=/a,dst=/b,ro":                         volume(Volume{Source: "/a", Target: "/b", ReadOnly: true}),
		"src=/a,destination=/b,readonly=false,type=bind":     volume(Volume{Source: "/a", Target: "/b"}),
		"type=bind,src=/a,dst=/b,bind-propagation=rslave":    volume(Volume{Source: "/a", Target: "/b", Propagation: "rslave"}),
		"type=bind,src=/a,dst=/b,bind-nonrecursive":          volume(Volume{Source: "/a", Target: "/b", NonRecursive: true}),
		"type=bind,src=/a,dst=/b,bind-recursive=disabled":    volume(Volume{Source: "/a", Target: "/b", NonRecursive: true}),
		"type=bind,src=/a,dst=/b,ro,bind-recursive=writable": volume(Volume{Source: "/a", Target: "/b", ReadOnly: true, WritableBelow: true}),
		`type=bind,"src=/a,b",dst=/b,consistency=cached`:     volume(Volume{Source: "/a,b", Target: "/b"}),
		"dst=/b":                            volume(Volume{Target: "/b"}),
		"Type=Volume,Source=data,Target=/b": volume(Volume{Source: "data", Target: "/b"}),
		"src=data,dst=/b,volume-nocopy,volume-label=a=b=c,volume-driver=local": volume(Volume{
			Source: "data", Target: "/b", NoCopy: true, Labels: map[string]string{"a": "b=c"},
		}),
		"type=tmpfs,dst=/t": tmpfs("/t"),
		"type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700,ro": tmpfs("/t", "size=1048576", "mode=0700", "ro"),
	} {
		got, err := ParseMount(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestParseMountRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                             "invalid mount",
		"type=bind":                    "Target",
		"type=bind,dst=/b":             "Source",
		"type=bind,src=a,dst=/b":       "absolute",
		"type=bind,src=/a,dst=b":       "not absolute",
		"type=volume,src=/a,dst=/b":    "type=bind",
		"src=data,dst=/":               "may not be /",
		"type=tmpfs,src=/a,dst=/b":     "Source",
		"type=foo,dst=/b":              `"foo" unknown`,
		"type=bind,src=/a,dst=/b,x=y":  "unexpected key 'x'",
		"type=bind,src=/a,dst=/b,ro=2": "invalid value for 'ro'",
		"type=bind,src=/a,dst=/b,bind-propagation=up":  "rslave",
		"type=bind,src=/a,dst=/b,bind-recursive=maybe": "writable",
		"type=bind,src=/a,dst=/b,volume-nocopy":        "cannot mix 'volume-*'",
		"type=volume,dst=/b,bind-propagation=shared":   "cannot mix 'bind-*'",
		"dst=/b,tmpfs-size=1m":                         "cannot mix 'tmpfs-*'",
		"type=tmpfs,dst=/b,tmpfs-size=big":             "tmpfs-size",
		"type=tmpfs,dst=/b,tmpfs-mode=rwx":             "tmpfs-mode",
		`type=bind,"src=/a`:                            "invalid mount",
	} {
		if _, err := ParseMount(text); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"type=image,src=a,dst=/b", "dst=/b,volume-driver=nfs", "dst=/b,volume-opt=type=nfs", "dst=/b,volume-subpath=x",
	} {
		if _, err := ParseMount(text); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
