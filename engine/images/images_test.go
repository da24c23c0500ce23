package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"cove/distribution/client/credentials"
	"cove/distribution/distributiontest"
	"cove/distribution/progress"
	"cove/engine/config"
	"cove/engine/parts"
	"cove/errdefs"

	_ "cove/images/remote/linked"
	_ "cove/layers/compress/codec/linked"
)

// local is a root without any configuration of the machine's.
func local(t *testing.T) *Images {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	p, err := parts.Of(parts.Config{
		Root: t.TempDir(), CertsDirs: []string{}, Files: &config.Files{},
		Credentials: credentials.Open(func(string) string { return none }),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if store, err := p.Images(); err == nil {
			store.Close()
		}
		if blobs, err := p.Content(); err == nil {
			blobs.Close()
		}
	})
	return Of(p)
}

// rootfs is the tar of a root filesystem with one file.
func rootfs(t *testing.T, name, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})
	if err == nil {
		_, err = tw.Write([]byte(text))
	}
	if err == nil {
		err = tw.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

// heard collects what of whole images is told.
type heard struct {
	mu   sync.Mutex
	told []string
}

func (h *heard) event(e progress.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e.Kind {
	case progress.Begun:
		h.told = append(h.told, "begun "+e.Ref.Object())
	case progress.Ended:
		h.told = append(h.told, fmt.Sprintf("ended %s newer=%v failed=%v", e.Ref.Object(), e.Newer, e.Err != nil))
	case progress.Pushed, progress.Complete, progress.AlreadyExists:
		h.told = append(h.told, "layer")
	}
}

func (h *heard) take() string {
	told := strings.Join(slices.Compact(h.told), ", ")
	h.told = nil
	return told
}

// registry is one in memory that everybody may write to.
func registry(t *testing.T) string {
	t.Helper()
	return distributiontest.Serve(t, t.Context(),
		distributiontest.NewMemory(distributiontest.Store(t)))
}

// TestImagesTravel takes two images from one machine to another, by all verbs.
func TestImagesTravel(t *testing.T) {
	t.Parallel()
	host, here, there := registry(t), local(t), local(t)
	repo := host + "/team/app"
	var ids []string
	for _, tag := range []string{"v1", "v2"} {
		id, err := here.Import(t.Context(), rootfs(t, "file", tag), ImportOptions{Name: repo + ":" + tag, Message: "made " + tag})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id.String())
	}
	var h heard
	pushed, err := here.Push(t.Context(), repo, PushOptions{AllTags: true, Progress: h.event})
	if err != nil || len(pushed) != 2 || pushed[0].Ref.Tag != "v1" || pushed[1].Descriptor.Size == 0 {
		t.Fatalf("push: %+v, %v", pushed, err)
	}
	if got, want := h.take(), "begun v1, layer, ended v1 newer=false failed=false, begun v2, layer, ended v2 newer=false failed=false"; got != want {
		t.Errorf("push told %s", got)
	}
	pulled, err := there.Pull(t.Context(), repo, PullOptions{AllTags: true, Progress: h.event})
	if err != nil || len(pulled) != 2 || pulled[0].ID.String() != ids[0] || !pulled[1].Newer || pulled[1].Digest != pushed[1].Descriptor.Digest {
		t.Fatalf("pull: %+v, %v", pulled, err)
	}
	if got, want := h.take(), "begun v1, layer, ended v1 newer=true failed=false, begun v2, layer, ended v2 newer=true failed=false"; got != want {
		t.Errorf("pull told %s", got)
	}
	if again, err := there.Pull(t.Context(), repo+":v2", PullOptions{}); err != nil || again[0].Newer {
		t.Errorf("pulled again: %+v, %v", again, err)
	}
	steps, err := there.History(t.Context(), repo+":v1")
	if err != nil || len(steps) != 1 || steps[0].ID.String() != ids[0] || steps[0].Comment != "made v1" || steps[0].Names[0] != repo+":v1" {
		t.Errorf("history: %+v, %v", steps, err)
	}
	img, err := there.InspectImage(t.Context(), ids[1])
	if err != nil || img.ID != ids[1] || len(img.GraphDriver.Data) == 0 {
		t.Errorf("inspect: %+v, %v", img, err)
	}
	if names, err := there.ImageNames(t.Context()); err != nil || !slices.Equal(slices.Sorted(slices.Values(names)), []string{repo + ":v1", repo + ":v2"}) {
		t.Errorf("names: %q, %v", names, err)
	}
	if removed, err := there.RemoveImage(t.Context(), repo+":v1", false); err != nil || len(removed.Untagged) != 2 || len(removed.Deleted) == 0 {
		t.Errorf("remove: %+v, %v", removed, err)
	}
	if rows, err := there.ListImages(t.Context(), nil); err != nil || len(rows) != 1 {
		t.Errorf("left: %+v, %v", rows, err)
	}
}

func TestArchiveTravels(t *testing.T) {
	t.Parallel()
	here, there := local(t), local(t)
	id, err := here.Import(t.Context(), rootfs(t, "file", "x"), ImportOptions{Name: "app", Platform: "linux/arm64"})
	if err != nil {
		t.Fatal(err)
	}
	if err := here.Tag(t.Context(), "app", "other:v1"); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := here.Save(t.Context(), &archive, []string{"app", "other:v1"}); err != nil {
		t.Fatal(err)
	}
	loaded, err := there.Load(t.Context(), &archive, nil)
	if err != nil || len(loaded) != 2 || loaded[0].ID != id {
		t.Fatalf("load: %+v, %v", loaded, err)
	}
	for platform, want := range map[string]error{"": nil, "linux/arm64": nil, "linux/amd64": errdefs.ErrNotFound} {
		of, err := there.ForPlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		if img, err := of.InspectImage(t.Context(), "other:v1"); !errors.Is(err, want) || err == nil && img.Architecture != "arm64" {
			t.Errorf("%q: %+v, %v", platform, img, err)
		}
	}
	if _, err := there.ForPlatform("foo"); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("foo: %v", err)
	}
}

// TestMovesThatFail are told to whoever shows progress, and leave nothing begun.
func TestMovesThatFail(t *testing.T) {
	t.Parallel()
	host, is := registry(t), local(t)
	repo := host + "/team/app"
	var h heard
	for what, tt := range map[string]struct {
		do   func() error
		kind error
		told string
	}{
		"a tag beside all tags": {func() error {
			_, err := is.Pull(t.Context(), repo+":v1", PullOptions{AllTags: true, Progress: h.event})
			return err
		}, errdefs.ErrInvalid, ""},
		"a platform that is none": {func() error {
			_, err := is.Pull(t.Context(), repo, PullOptions{Platform: "moon", Progress: h.event})
			return err
		}, errdefs.ErrInvalid, ""},
		"pull of what is not there": {func() error {
			_, err := is.Pull(t.Context(), repo, PullOptions{Progress: h.event})
			return err
		}, errdefs.ErrNotFound, "begun latest, ended latest newer=false failed=true"},
		"all of what is not there": {func() error {
			_, err := is.Pull(t.Context(), repo, PullOptions{AllTags: true, Progress: h.event})
			return err
		}, errdefs.ErrNotFound, ""},
		"push of what is not here": {func() error {
			_, err := is.Push(t.Context(), repo, PushOptions{Progress: h.event})
			return err
		}, errdefs.ErrNotFound, "begun latest, ended latest newer=false failed=true"},
		"push of all of what is not here": {func() error {
			_, err := is.Push(t.Context(), repo, PushOptions{AllTags: true, Progress: h.event})
			return err
		}, errdefs.ErrNotFound, ""},
		"an image for no platform": {func() error {
			_, err := is.Import(t.Context(), rootfs(t, "f", "x"), ImportOptions{Platform: "moon"})
			return err
		}, errdefs.ErrInvalid, ""},
		"instructions without a parser": {func() error {
			_, err := is.Import(t.Context(), rootfs(t, "f", "x"), ImportOptions{Changes: []string{"CMD x"}})
			return err
		}, errdefs.ErrUnsupported, ""},
	} {
		if err := tt.do(); !errors.Is(err, tt.kind) {
			t.Errorf("%s: %v, want %v", what, err, tt.kind)
		}
		if told := h.take(); told != tt.told {
			t.Errorf("%s: told %q, want %q", what, told, tt.told)
		}
	}
	if rows, err := is.ListImages(t.Context(), nil); err != nil || len(rows) != 0 {
		t.Errorf("left: %+v, %v", rows, err)
	}
}
