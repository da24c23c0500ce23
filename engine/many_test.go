package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"cove/builder"
	"cove/engine/builds"
	"cove/engine/containers"
	"cove/engine/runspec"
)

// TestManyEnginesOnOneRoot is eight engines, as eight commands have, that
// build, name, unname, run and prune at once: no name is lost, and every image
// that has one runs. T35.
func TestManyEnginesOnOneRoot(t *testing.T) {
	t.Parallel()
	first := newEngine(t)
	const workers, pruners = 6, 2
	rounds := 2
	if os.Getenv("COVE_SOAK") != "" {
		rounds = 40
	}
	var workersDone, prunes sync.WaitGroup
	done := make(chan struct{})
	for range pruners {
		e := another(t, first)
		prunes.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := e.Prune(t.Context(), PruneOptions{Containers: true, Images: true, BuildCache: true}); err != nil {
					t.Errorf("prune: %v", err)
					return
				}
			}
		})
	}
	for w := range workers {
		e := another(t, first)
		workersDone.Go(func() {
			for i := range rounds {
				if err := buildTagRun(t, e, fmt.Sprintf("w%d-%d", w, i)); err != nil {
					t.Errorf("worker %d, round %d: %v", w, i, err)
				}
			}
		})
	}
	workersDone.Wait()
	close(done)
	prunes.Wait()
	for w := range workers {
		for i := range rounds {
			name := fmt.Sprintf("w%d-%d", w, i)
			if out, err := output(t.Context(), first, "kept-"+name); err != nil || out != name+"\n" {
				t.Errorf("image kept-%s: got %q, %v", name, out, err)
			}
		}
	}
	if keys := containerSnapshots(t, first); len(keys) > 0 {
		t.Errorf("snapshots are left: %v", keys)
	}
	t.Logf("T35: %d images built, named, unnamed and run beside %d who prune, 0 lost", workers*rounds, pruners)
}

func another(t *testing.T, e *Engine) *Engine {
	t.Helper()
	other, err := Open(e.parts.Config)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

func buildTagRun(t *testing.T, e *Engine, name string) error {
	ctx := t.Context()
	dir := t.TempDir()
	file := fmt.Sprintf("FROM busybox\nRUN echo %s > /name\nCMD [\"cat\", \"/name\"]\n", name)
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(file), 0o600); err != nil {
		return err
	}
	if _, err := builds.Build(ctx, e, builds.Options{Request: builder.Request{Context: dir}, Names: []string{"built-" + name}}); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	store, err := e.Images()
	if err != nil {
		return err
	}
	if err := store.Tag(ctx, "built-"+name, "kept-"+name); err != nil {
		return err
	}
	if _, err := e.RemoveImage(ctx, "built-"+name, false); err != nil {
		return err
	}
	out, err := output(ctx, e, "kept-"+name)
	if err == nil && out != name+"\n" {
		err = fmt.Errorf("ran and wrote %q", out)
	}
	return err
}

func output(ctx context.Context, e *Engine, image string) (string, error) {
	var out bytes.Buffer
	_, _, err := e.Run(ctx, containers.RunOptions{
		CreateOptions: containers.CreateOptions{Options: runspec.Options{Image: image, Network: "none"}, AutoRemove: true, Pull: containers.PullNever},
		Streams: func(containers.Attached) (containers.Streams, error) {
			return containers.Streams{Stdout: &out, Stderr: &out}, nil
		},
	})
	return out.String(), err
}

func TestBuild(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	dir := t.TempDir()
	for name, body := range map[string]string{
		"Dockerfile":     "FROM busybox\nUSER alice\nRUN id -un > /tmp/who && echo $FROM_IMAGE >> /tmp/who\nCMD cat /tmp/who\n",
		"bad.Dockerfile": "FROM busybox\nRUN exit 9\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	result, err := builds.Build(t.Context(), e, builds.Options{Request: builder.Request{Context: dir}, Names: []string{"who", "who:again"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"who", "who:again", result.Image().Config.String()} {
		if out, err := output(t.Context(), e, name); err != nil || out != "alice\n1\n" {
			t.Errorf("%s: got %q, %v", name, out, err)
		}
	}
	var exit *builder.ExitError
	_, err = builds.Build(t.Context(), e, builds.Options{Request: builder.Request{Context: dir, Dockerfile: "bad.Dockerfile"}, Names: []string{"bad"}})
	if !errors.As(err, &exit) || exit.Code != 9 {
		t.Errorf("a RUN that fails: got %v, want an ExitError of 9", err)
	}
	store, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Get(t.Context(), "bad"); err == nil {
		t.Error("a build that failed left a name")
	}
	steps, err := e.History(t.Context(), "who")
	if err != nil || len(steps) == 0 || steps[0].ID == "" || len(steps[0].Names) != 2 {
		t.Errorf("history: %+v, %v", steps, err)
	}
}
