package engine

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cove/builder"
	"cove/engine/builds"
	"cove/engine/containers"
	"cove/engine/dockertypes"
	"cove/engine/files"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/images/image"
	"cove/runner"
	"cove/runner/record"
)

// sleeper starts a container of an image.
func sleeper(t *testing.T, e *Engine, image string) *runner.Container {
	t.Helper()
	id, _, err := e.Run(t.Context(), containers.RunOptions{
		CreateOptions: containers.CreateOptions{
			Options: runspec.Options{Image: image, Network: "none", Command: []string{"sleep", "1000"}}, Pull: containers.PullNever,
		},
		Detach: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Container(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// small builds an image of two layers whose command writes word.
func small(t *testing.T, e *Engine, name, word string) image.Image {
	t.Helper()
	dir := t.TempDir()
	file := "FROM busybox\nRUN echo " + word + " > /word\nCMD [\"cat\", \"/word\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := builds.Build(t.Context(), e, builds.Options{Request: builder.Request{Context: dir}, Names: []string{name}}); err != nil {
		t.Fatal(err)
	}
	return get(t, e, name)
}

func get(t *testing.T, e *Engine, name string) image.Image {
	t.Helper()
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	img, err := store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestImagesThatContainersNeedStay takes the name from an image that a container
// was made of, in each way in which a name can go, and commits the container.
func TestImagesThatContainersNeedStay(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	everything := PruneOptions{Images: true, AllImages: true, BuildCache: true}
	sleeper(t, e, "busybox") // so that prune leaves it
	for way, lose := range map[string]func(name string) error{
		"rmi -f NAME": func(name string) error { _, err := e.RemoveImage(ctx, name, true); return err },
		"prune":       func(string) error { _, err := e.Prune(ctx, everything); return err },
		"tag":         func(name string) error { return store.Tag(ctx, "busybox", name) },
		"build": func(name string) error {
			small(t, e, name, "another")
			return nil
		},
		"load": func(name string) error {
			small(t, e, name, "loaded")
			var archive bytes.Buffer
			if err := store.Save(ctx, &archive, []string{name}); err != nil {
				return err
			}
			if _, err := e.RemoveImage(ctx, name, true); err != nil {
				return err
			}
			_, err := store.Load(ctx, &archive, nil)
			return err
		},
	} {
		name := "lost-by-" + strings.Fields(way)[0]
		word := strings.Fields(way)[0]
		img := small(t, e, name, word)
		c := sleeper(t, e, name)
		if err := lose(name); err != nil {
			t.Errorf("%s: %v", way, err)
			continue
		}
		if _, err := e.Prune(ctx, everything); err != nil {
			t.Fatal(err)
		}
		if stays := get(t, e, img.ID.String()); way == "rmi -f NAME" && len(stays.Names) != 0 {
			t.Errorf("%s: it has the names %v", way, stays.Names)
		}
		if _, err := e.RemoveImage(ctx, img.ID.String(), true); !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), c.ID()[:12]) {
			t.Errorf("%s: by id: %v, want that it is refused, naming the container", way, err)
		}
		if _, err := e.Commit(ctx, c.ID(), files.CommitOptions{Name: "committed", Changes: []string{"CMD cat /word"}}); err != nil {
			t.Errorf("%s: commit: %v", way, err)
			continue
		}
		if out, err := output(ctx, e, "committed"); err != nil || out != word+"\n" {
			t.Errorf("%s: the committed image: %q, %v", way, out, err)
		}
		if err := e.Remove(ctx, c.ID(), true, false); err != nil {
			t.Error(err)
		}
		if _, err := e.Prune(ctx, PruneOptions{Images: true, BuildCache: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Get(ctx, img.ID.String()); way == "rmi -f NAME" && !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: after the container: %v", way, err)
		}
	}
}

// TestBaseOfOthers removes the image that another was built on.
func TestBaseOfOthers(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	small(t, e, "child", "kept")
	if removed, err := e.RemoveImage(t.Context(), "busybox", false); err != nil || !slices.Contains(removed.Untagged, "busybox:latest") {
		t.Errorf("%+v, %v", removed, err)
	}
	if _, err := e.Prune(t.Context(), PruneOptions{Images: true, BuildCache: true}); err != nil {
		t.Fatal(err)
	}
	if out, err := output(t.Context(), e, "child"); err != nil || out != "kept\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestHealthcheck: a container has its image's check, with what was asked for over it.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	for name, check := range map[string]string{"checked": "--interval=7s --retries=9 CMD true", "unchecked": "NONE"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM busybox\nHEALTHCHECK "+check+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := builds.Build(t.Context(), e, builds.Options{Request: builder.Request{Context: dir}, Names: []string{name}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		image string
		o     containers.HealthOptions
		want  *dockertypes.Healthcheck
		kind  error
	}{
		{"busybox", containers.HealthOptions{}, nil, nil},
		{"unchecked", containers.HealthOptions{}, nil, nil},
		{"checked", containers.HealthOptions{None: true}, &dockertypes.Healthcheck{Test: []string{"NONE"}}, nil},
		{"checked", containers.HealthOptions{}, &dockertypes.Healthcheck{Test: []string{"CMD-SHELL", "true"}, Interval: 7 * time.Second, Retries: 9}, nil},
		{
			"checked",
			containers.HealthOptions{Command: "ls", Interval: time.Second},
			&dockertypes.Healthcheck{Test: []string{"CMD-SHELL", "ls"}, Interval: time.Second, Retries: 9}, nil,
		},
		{"unchecked", containers.HealthOptions{Command: "ls"}, &dockertypes.Healthcheck{Test: []string{"CMD-SHELL", "ls"}}, nil},
		{"unchecked", containers.HealthOptions{Retries: 2}, nil, errdefs.ErrInvalid},
		{"checked", containers.HealthOptions{None: true, Retries: 2}, nil, errdefs.ErrInvalid},
		{"checked", containers.HealthOptions{Timeout: -1}, nil, errdefs.ErrInvalid},
		{"checked", containers.HealthOptions{Timeout: time.Microsecond}, nil, errdefs.ErrInvalid},
		{"checked", containers.HealthOptions{OnFailure: "panic"}, nil, errdefs.ErrInvalid},
	} {
		o := containers.CreateOptions{Options: runspec.Options{Image: tc.image, Network: "none"}, Health: tc.o}
		c, err := e.Create(t.Context(), o)
		if !errors.Is(err, tc.kind) {
			t.Errorf("%+v: %v", tc, err)
		}
		if err != nil {
			continue
		}
		shown, err := e.InspectContainer(t.Context(), c)
		if diff := cmp.Diff(tc.want, shown.Config.Healthcheck); err != nil || diff != "" {
			t.Errorf("%+v: %v\n%s", tc, err, diff)
		}
		if checked := tc.want != nil && tc.want.Test[0] != "NONE"; (shown.State.Health != nil) != checked {
			t.Errorf("%+v: %+v", tc, shown.State.Health)
		}
	}
}

// TestAnonymousVolumes are made for a container and go with it, however its life
// ends, also before it began; one that it was given by name stays.
func TestAnonymousVolumes(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	given, err := e.CreateVolume(ctx, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := e.Create(ctx, containers.CreateOptions{Options: runspec.Options{Image: "busybox", Network: "none"}, Name: "taken"})
	if err != nil {
		t.Fatal(err)
	}
	with := func(o containers.CreateOptions, command ...string) containers.CreateOptions {
		o.Image, o.Network, o.Command, o.AutoRemove, o.Pull = "busybox", "none", command, true, containers.PullNever
		o.Volumes = []runspec.Volume{{Target: "/anonymous"}, {Source: given.Name, Target: "/given"}}
		return o
	}
	for way, o := range map[string]containers.CreateOptions{
		"it ends":            with(containers.CreateOptions{}, "true"),
		"no such program":    with(containers.CreateOptions{}, "/nosuch"),
		"its name is taken":  with(containers.CreateOptions{Name: "taken"}, "true"),
		"no such user":       with(containers.CreateOptions{Options: runspec.Options{User: "nobody-here"}}, "true"),
		"no such capability": with(containers.CreateOptions{Options: runspec.Options{Security: record.Security{CapAdd: []string{"NOSUCH"}}}}, "true"),
	} {
		_, _, err := e.Run(ctx, containers.RunOptions{CreateOptions: o, Streams: func(containers.Attached) (containers.Streams, error) { return containers.Streams{}, nil }})
		if (err == nil) != (way == "it ends") {
			t.Errorf("%s: %v", way, err)
		}
	}
	c, err := e.Create(ctx, with(containers.CreateOptions{}, "true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Remove(ctx, c, false, true), e.Remove(ctx, taken, false, true)); err != nil {
		t.Error(err)
	}
	all, err := e.Volumes(ctx, nil)
	if err != nil || len(all) != 1 || all[0].Name != given.Name {
		t.Errorf("volumes %+v, %v; want the one that was given by name", all, err)
	}
}
