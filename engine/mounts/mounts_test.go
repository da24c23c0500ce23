package mounts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"cove/content"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/layers/mount"
	"cove/runner/record"
)

// kept is a lease that remembers what it keeps.
type kept struct {
	content.Lease
	refs []string
}

func (k *kept) Add(_ context.Context, refs ...string) error {
	k.refs = append(k.refs, refs...)
	return nil
}

func TestFromOthers(t *testing.T) {
	t.Parallel()
	lease := &kept{}
	own := mount.IDMap{UIDs: []mount.IDRange{{Outside: 100_000, Size: 10}}, GIDs: []mount.IDRange{{Outside: 100_000, Size: 10}}}
	c := Container{
		Root: mount.Mount{IDMap: own}, Lease: lease,
		Volumes: map[string]struct{}{"/data": {}},
		Other: func(context.Context, string) (record.Config, error) {
			return record.Config{Mounts: []record.Mounted{
				{Type: record.MountVolume, Name: "v", Source: "/v", Target: "/data", Anonymous: true},
				{Type: record.MountImage, ImageID: "sha256:1", Snapshot: "sha256:2", Target: "/i", Stack: &mount.Mount{Type: "bind"}},
				{Type: record.MountBind, Source: "/other", Target: "/mine"},
			}}, nil
		},
	}
	source := t.TempDir()
	binds, mounted, err := c.Resolve(t.Context(), runspec.Options{
		VolumesFrom: []string{"other:ro"}, Volumes: []runspec.Volume{{Source: source, Target: "/mine"}},
	})
	if err != nil || len(binds) != 3 || len(mounted) != 3 {
		t.Fatalf("%v, %v, %v", binds, mounted, err)
	}
	for _, m := range mounted {
		if m.From != m.ReadOnly || m.Anonymous != (m.Type == record.MountVolume) || m.ReadOnly != (m.Type != record.MountBind) {
			t.Errorf("%+v", m)
		}
	}
	if m := mounted[1]; m.Stack == nil || m.Stack.IDMap.IsZero() {
		t.Errorf("the image's owners are not mapped: %+v", m)
	}
	if m := mounted[2]; m.Source != source {
		t.Errorf("its own mount is behind another container's: %+v", m)
	}
	if diff := cmp.Diff([]string{"volume/v", "image/sha256:1", "snapshot/sha256:2"}, lease.refs); diff != "" {
		t.Error(diff)
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	_, _, err := Container{}.Resolve(t.Context(), runspec.Options{
		Volumes: []runspec.Volume{{Source: "/a", Target: "/x"}}, Tmpfs: []record.Tmpfs{{Target: "/x/"}},
	})
	if !errors.Is(err, errdefs.ErrInvalid) || err.Error() != "Duplicate mount point: /x" {
		t.Error(err)
	}
}

func TestWrittenElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := record.Mounted{Source: dir}
	if err := writtenElsewhere(&m, runspec.Volume{}, mount.IDMap{}); err != nil || !m.Fresh || m.Stack.Lower[0] != dir {
		t.Errorf("%+v, %v", m, err)
	}
	m = record.Mounted{Source: dir}
	if err := writtenElsewhere(&m, runspec.Volume{Upper: dir, Work: dir}, mount.IDMap{}); err != nil || m.Fresh {
		t.Errorf("%+v, %v", m, err)
	}
	for _, c := range []struct {
		m record.Mounted
		v runspec.Volume
	}{
		{record.Mounted{Source: file}, runspec.Volume{}},
		{record.Mounted{Source: dir, Subpath: "a"}, runspec.Volume{}},
		{record.Mounted{Source: dir}, runspec.Volume{Upper: file, Work: dir}},
		{record.Mounted{Source: dir}, runspec.Volume{Upper: dir, Work: dir + "/nosuch"}},
	} {
		if err := writtenElsewhere(&c.m, c.v, mount.IDMap{}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestOwners shows one owner as another, in the terms of the host, for a container with
// ids of its own and for one without.
func TestOwners(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	ids := []mount.IDRange{{Outside: 100_000, Size: 70_000}}
	own := mount.IDMap{UIDs: ids, GIDs: ids}
	five := st.Uid + 5
	got, err := owners(runspec.Volume{Owners: runspec.Owners{UID: &five}}, dir, own)
	if err != nil {
		t.Fatal(err)
	}
	uid, gid, ok := got.Outside(st.Uid, st.Gid)
	if !ok || uid != 100_000+five || gid != 100_000+st.Gid {
		t.Errorf("the owner is shown as %d:%d", uid, gid)
	}
	if uid, _, ok := got.Outside(five, 0); !ok || uid != 100_000+st.Uid {
		t.Errorf("the other is shown as %d", uid)
	}
	if uid, _, ok := got.Outside(five+1, 0); !ok || uid != 100_000+five+1 {
		t.Errorf("a third is shown as %d", uid)
	}
	if got, err = owners(runspec.Volume{Owners: runspec.Owners{GID: &five}}, dir, mount.IDMap{}); err != nil {
		t.Fatal(err)
	}
	if uid, gid, ok := got.Outside(1234, st.Gid); !ok || uid != 1234 || gid != five {
		t.Errorf("without ids of its own: %d:%d", uid, gid)
	}
	far := uint32(80_000)
	if _, err := owners(runspec.Volume{Owners: runspec.Owners{UID: &far}}, dir, own); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("an id that the container has not: %v", err)
	}
	said := runspec.Owners{
		Host:      mount.IDMap{GIDs: []mount.IDRange{{Inside: 1, Outside: 2, Size: 3}}},
		Container: mount.IDMap{UIDs: []mount.IDRange{{Inside: 1, Outside: 2, Size: 3}}},
	}
	got, err = owners(runspec.Volume{Owners: said}, dir, own)
	want := mount.IDMap{
		UIDs: []mount.IDRange{{Inside: 1, Outside: 100_002, Size: 3}}, GIDs: []mount.IDRange{{Inside: 1, Outside: 2, Size: 3}},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
