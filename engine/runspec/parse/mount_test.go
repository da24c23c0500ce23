package parse

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/record"
)

func TestMount(t *testing.T) {
	t.Parallel()
	volume := func(v runspec.Volume) Mounted { v.Mount = true; return Mounted{Volume: &v} }
	tmpfs := func(target string, options ...string) Mounted {
		return Mounted{Tmpfs: &record.Tmpfs{Target: target, Options: options}}
	}
	for text, want := range map[string]Mounted{
		"type=bind,source=/a,target=/b":                      volume(runspec.Volume{Source: "/a", Target: "/b"}),
		"type=bind,src=/a,dst=/b,ro":                         volume(runspec.Volume{Source: "/a", Target: "/b", ReadOnly: true}),
		"src=/a,destination=/b,readonly=false,type=bind":     volume(runspec.Volume{Source: "/a", Target: "/b"}),
		"type=bind,src=/a,dst=/b,bind-propagation=rslave":    volume(runspec.Volume{Source: "/a", Target: "/b", Propagation: "rslave"}),
		"type=bind,src=/a,dst=/b,bind-nonrecursive":          volume(runspec.Volume{Source: "/a", Target: "/b", NonRecursive: true}),
		"type=bind,src=/a,dst=/b,bind-recursive=disabled":    volume(runspec.Volume{Source: "/a", Target: "/b", NonRecursive: true}),
		"type=bind,src=/a,dst=/b,ro,bind-recursive=writable": volume(runspec.Volume{Source: "/a", Target: "/b", ReadOnly: true, WritableBelow: true}),
		`type=bind,"src=/a,b",dst=/b,consistency=cached`:     volume(runspec.Volume{Source: "/a,b", Target: "/b"}),
		"dst=/b":                            volume(runspec.Volume{Target: "/b"}),
		"Type=Volume,Source=data,Target=/b": volume(runspec.Volume{Source: "data", Target: "/b"}),
		"src=data,dst=/b,volume-nocopy,volume-label=a=b=c,volume-driver=local": volume(runspec.Volume{
			Source: "data", Target: "/b", NoCopy: true, Labels: map[string]string{"a": "b=c"},
		}),
		"src=data,dst=/b,volume-subpath=a/../b/,volume-opt=type=nfs,volume-opt=o=a=b": volume(runspec.Volume{
			Source: "data", Target: "/b", Subpath: "b", Options: map[string]string{"type": "nfs", "o": "a=b"},
		}),
		"type=image,src=team/app:1,dst=/i": volume(runspec.Volume{Source: "team/app:1", Target: "/i", Image: true, ReadOnly: true}),
		"type=image,src=app,dst=/i,image-subpath=a/b/": volume(runspec.Volume{
			Source: "app", Target: "/i", Image: true, ReadOnly: true, Subpath: "a/b",
		}),
		"type=image,src=app,dst=/i,rw":             volume(runspec.Volume{Source: "app", Target: "/i", Image: true, Overlay: true}),
		"type=image,src=app,dst=/i,readonly=false": volume(runspec.Volume{Source: "app", Target: "/i", Image: true, Overlay: true}),
		"type=bind,src=/a,dst=/b,uid=5,gid=0": volume(runspec.Volume{
			Source: "/a", Target: "/b", Owners: runspec.Owners{UID: new(uint32(5)), GID: new(uint32(0))},
		}),
		"type=bind,src=/a,dst=/b,idmap=uids=0-1-10#@10-11-1;gids=3-4-1": volume(runspec.Volume{
			Source: "/a", Target: "/b", Owners: runspec.Owners{
				Host: mount.IDMap{
					UIDs: []mount.IDRange{{Outside: 1, Size: 10}}, GIDs: []mount.IDRange{{Inside: 3, Outside: 4, Size: 1}},
				},
				Container: mount.IDMap{UIDs: []mount.IDRange{{Inside: 10, Outside: 11, Size: 1}}},
			},
		}),
		"type=tmpfs,dst=/t": tmpfs("/t"),
		"type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700,ro": tmpfs("/t", "size=1048576", "mode=0700", "ro"),
	} {
		got, err := Mount(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestMountRefuses(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                             "invalid mount",
		"type=bind":                    "Target",
		"type=bind,dst=/b":             "Source",
		"type=bind,src=a,dst=/b":       "absolute",
		"type=bind,src=/a,dst=b":       "mount path must be absolute",
		"type=volume,src=/a,dst=/b":    "type=bind",
		"src=data,dst=/":               "destination can't be '/'",
		"type=tmpfs,src=/a,dst=/b":     "Source",
		"type=foo,dst=/b":              `"foo" unknown`,
		"type=bind,src=/a,dst=/b,x=y":  "unexpected key 'x'",
		"type=bind,src=/a,dst=/b,ro=2": "invalid value for 'ro'",
		"type=bind,src=/a,dst=/b,bind-propagation=up":  "rslave",
		"type=bind,src=/a,dst=/b,bind-recursive=maybe": "writable",
		"type=bind,src=/a,dst=/b,volume-nocopy":        "cannot mix 'volume-*'",
		"type=volume,dst=/b,bind-propagation=shared":   "cannot mix 'bind-*'",
		"dst=/b,tmpfs-size=1m":                         "cannot mix 'tmpfs-*'",
		"type=image,dst=/b":                            "Source",
		"type=bind,src=/a,dst=/b,image-subpath=x":      "cannot mix 'image-*'",
		"type=image,src=a,dst=/b,image-subpath=../x":   "within the image",
		"type=image,src=a,dst=/b,uid=3":                "of volumes",
		"type=bind,src=/a,dst=/b,uid=bob":              "want a number",
		"type=bind,src=/a,dst=/b,uid=4294967295":       "want a number",
		"type=bind,src=/a,dst=/b,idmap=uids=1-2":       "DISK-SHOWN-COUNT",
		"type=bind,src=/a,dst=/b,idmap=uids=1-2-0":     "DISK-SHOWN-COUNT",
		"type=bind,src=/a,dst=/b,idmap=who=1-2-3":      "DISK-SHOWN-COUNT",
		"type=tmpfs,dst=/b,tmpfs-size=big":             "tmpfs-size",
		"type=tmpfs,dst=/b,tmpfs-mode=rwx":             "tmpfs-mode",
		`type=bind,"src=/a`:                            "invalid mount",
		"dst=/b,volume-subpath=/x":                     "within the volume",
		"dst=/b,volume-subpath=":                       "within the volume",
	} {
		if _, err := Mount(text); !errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"type=cluster,src=a,dst=/b", "dst=/b,volume-driver=nfs",
	} {
		if _, err := Mount(text); !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
