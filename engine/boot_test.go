package engine

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/internal/ids"
	"cove/internal/process"
	"cove/runner/record"
)

// TestStartOnBoot kills the monitors of containers and has their states say that
// another boot was theirs, as after a power cut.
func TestStartOnBoot(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	for _, name := range []string{"no", "always", "unless-stopped", "on-failure", "always-stopped", "unless-stopped-stopped"} {
		policy := strings.TrimSuffix(name, "-stopped")
		if name == "unless-stopped" {
			policy = name
		}
		id, _, err := e.Run(ctx, containers.RunOptions{
			CreateOptions: containers.CreateOptions{
				Options: runspec.Options{Image: "busybox", Network: "none", Command: []string{"sleep", "100"}},
				Name:    name, Restart: policy, Pull: containers.PullNever,
			},
			Detach: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.Container(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if name != policy {
			if err := c.Stop(ctx, 0); err != nil {
				t.Fatal(err)
			}
			continue
		}
		st, err := c.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		process.AwaitEnd(ctx, st.Monitor)
		st.BootID = ids.New()
		if err := record.Dir(c.Dir()).SetState(st, true); err != nil {
			t.Fatal(err)
		}
	}
	started, err := e.StartOnBoot(ctx)
	slices.Sort(started)
	if want := []string{"always", "always-stopped", "on-failure", "unless-stopped"}; err != nil || !slices.Equal(started, want) {
		t.Errorf("%q, %v; want %q", started, err, want)
	}
	if again, err := e.StartOnBoot(ctx); err != nil || len(again) != 0 {
		t.Errorf("again: %q, %v", again, err)
	}
}

// TestVolumesOfTheDead: what a container would have taken with it, had its monitor not
// been killed, nobody is shown afterwards.
func TestVolumesOfTheDead(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	for name, look := range map[string]func(volume string) error{
		"list": func(string) error {
			all, err := e.Volumes(ctx, nil)
			if len(all) > 0 {
				t.Errorf("list: %v", all)
			}
			return err
		},
		"inspect": func(volume string) error {
			if v, err := e.InspectVolume(ctx, volume); !errors.Is(err, errdefs.ErrNotFound) {
				t.Errorf("inspect: %v, %v", v, err)
			}
			return nil
		},
	} {
		id, _, err := e.Run(ctx, containers.RunOptions{
			CreateOptions: containers.CreateOptions{
				Options: runspec.Options{
					Image: "busybox", Network: "none", Command: []string{"sleep", "100"}, Volumes: []runspec.Volume{{Target: "/anonymous"}},
				},
				Name: name, Pull: containers.PullNever, AutoRemove: true,
			},
			Detach: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.Container(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		all, err := e.Volumes(ctx, nil)
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		st, err := c.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Kill(st.Monitor, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		process.AwaitEnd(ctx, st.Monitor)
		if err := look(all[0].Name); err != nil {
			t.Error(err)
		}
	}
}

func TestLogOptions(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	create := func(driver string, options map[string]string) (string, error) {
		return e.Create(t.Context(), containers.CreateOptions{
			Options: runspec.Options{Image: "busybox", Network: "none", Command: []string{
				"sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line of the log $i; i=$((i+1)); done",
			}},
			Pull: containers.PullNever, LogDriver: driver, LogOptions: options,
		})
	}
	id, err := create("local", map[string]string{"max-size": "20k", "max-file": "2"})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	shown, err := e.InspectContainer(t.Context(), id)
	if err != nil || shown.HostConfig.LogConfig.Type != "local" || shown.HostConfig.LogConfig.Config["max-size"] != "20k" {
		t.Errorf("%+v, %v", shown.HostConfig.LogConfig, err)
	}
	if shown.LogPath != "" {
		t.Errorf("the log of the driver local is shown as docker's: %s", shown.LogPath)
	}
	var kept int64
	for _, name := range []string{"", ".1", ".2", ".3"} {
		// Whoever gathers logs as docker's is not told of one that is none.
		if info, err := os.Stat(record.Of(e.parts.Root, id).Log() + name); err == nil {
			kept += info.Size()
		}
	}
	if kept == 0 || kept > 45<<10 {
		t.Errorf("%d bytes are kept, of about 300,000", kept)
	}
	if id, err = create("none", nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Logs(t.Context(), id, containers.LogOptions{All: true, Since: time.Time{}}, os.Stdout, os.Stderr); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a log that is not kept: %v", err)
	}
	for _, tc := range []struct {
		driver, key, value string
		kind               error
	}{
		{"splunk", "", "", errdefs.ErrUnsupported},
		{"json-file", "compress", "true", errdefs.ErrUnsupported},
		{"json-file", "max-size", "big", errdefs.ErrInvalid},
		{"json-file", "max-size", "-1", errdefs.ErrInvalid},
		{"local", "max-file", "0", errdefs.ErrInvalid},
		{"none", "max-file", "1", errdefs.ErrInvalid},
	} {
		options := map[string]string{}
		if tc.key != "" {
			options[tc.key] = tc.value
		}
		if _, err := create(tc.driver, options); !errors.Is(err, tc.kind) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}
