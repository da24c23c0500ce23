package engine

import (
	"bytes"
	"context"
	"os"
	"testing"

	"cove/engine/containers"
	"cove/engine/files"
	"cove/engine/listing"
	"cove/engine/runspec"
)

// TestSizesAreThoseOfFiles: of an image, of the steps that made it, of a container and
// of a volume, and each layer counts once however many images share it.
func TestSizesAreThoseOfFiles(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	one := small(t, e, "one", "word")    // /word holds "word\n"
	two := small(t, e, "two", "another") // and "another\n"
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	base := store.Sizes().Image(ctx, get(t, e, "busybox"))
	if info, err := os.Stat(needBusybox(t)); err != nil || base < info.Size() || base > info.Size()+1024 {
		t.Errorf("busybox has files of %d bytes, %v; want little more than %d", base, err, info.Size())
	}
	for name, want := range map[string]int64{"one": base + 5, "two": base + 8} {
		if img, err := e.InspectImage(ctx, name); err != nil || img.Size != want {
			t.Errorf("%s: %+v, %v; want a size of %d", name, img, err, want)
		}
	}
	steps, err := e.History(ctx, "one")
	if err != nil || steps[0].Size != 0 || steps[1].Size != 5 || steps[len(steps)-1].Size != base {
		t.Errorf("history: %+v, %v", steps, err)
	}
	// A container: what it wrote, with the volume apart.
	o := runspec.Options{Image: "one", Network: "none", Command: []string{"sh", "-c", "echo 123456789 > /new; echo 12 > /v/f"}}
	o.Volumes = []runspec.Volume{{Source: "data", Target: "/v"}}
	id, err := e.Create(ctx, containers.CreateOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(ctx, id); err != nil {
		t.Fatal(err)
	}
	told, err := e.InspectContainer(ctx, id)
	if err == nil {
		err = e.MeasureContainer(ctx, told)
	}
	if err != nil {
		t.Fatal(err)
	}
	if *told.SizeRw != 10 || *told.SizeRootFs != base+5+10 {
		t.Errorf("the container: %d of %d, want 10 of %d", *told.SizeRw, *told.SizeRootFs, base+15)
	}
	d, err := e.DiskUsage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range d.Images {
		want := ImageUsage{Shared: base}
		want.Size = base
		switch img.ID {
		case one.ID:
			want.Size, want.Containers = base+5, 1
		case two.ID:
			want.Size = base + 8
		}
		if img.Size != want.Size || img.Shared != want.Shared || img.Containers != want.Containers {
			t.Errorf("%s: %d, shared %d, %d containers; want %d, %d, %d", img.Repository, img.Size, img.Shared, img.Containers,
				want.Size, want.Shared, want.Containers)
		}
	}
	sums := map[string]Usage{}
	for _, u := range d.Sum() {
		sums[u.Type] = u
	}
	for kind, want := range map[string]Usage{
		"Images":        {"Images", 3, 1, base + 13, 8},
		"Containers":    {"Containers", 1, 0, 10, 10},
		"Local Volumes": {"Local Volumes", 1, 1, 3, 0},
		"Build Cache":   {"Build Cache", 2, 2, 13, 0},
	} {
		if sums[kind] != want {
			t.Errorf("%+v, want %+v", sums[kind], want)
		}
	}
	if _, err := e.ContainerSize(context.Background(), listing.Container{}); err == nil {
		t.Error("a container that is not there has a size")
	}
}

// TestCommittedAndLoadedImagesHaveSizes: whoever makes an image knows the size of its
// files, and a load knows it again.
func TestCommittedAndLoadedImagesHaveSizes(t *testing.T) {
	t.Parallel()
	e, other := newEngine(t), newEngine(t)
	ctx := t.Context()
	id, err := e.Create(ctx, containers.CreateOptions{Options: runspec.Options{
		Image: "busybox", Network: "none", Command: []string{"sh", "-c", "echo 123456789 > /new; ln /new /again; rm /bin/ls"},
	}})
	if err == nil {
		err = e.Start(ctx, id)
	}
	if err == nil {
		_, err = e.Wait(ctx, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Commit(ctx, id, files.CommitOptions{Name: "made"}); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := e.Save(ctx, &archive, []string{"made"}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Load(ctx, &archive, nil); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Engine{e, other} {
		steps, err := e.History(ctx, "made")
		if err != nil || steps[0].Size != 10 {
			t.Errorf("%+v, %v; want 10 bytes on top", steps, err)
		}
	}
}
