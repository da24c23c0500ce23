package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network/publish"
	"cove/runner/record"
)

// TestVerbs drives one container by its name alone, through what an edge can ask.
func TestVerbs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	id, err := e.Create(ctx, containers.CreateOptions{Name: "job", Options: runspec.Options{
		Image: "busybox", Network: "none",
		Command: []string{"sh", "-c", "trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	status := func() record.Status {
		got, err := e.InspectContainer(ctx, "job")
		if err != nil {
			t.Fatal(err)
		}
		return record.Status(got.State.Status)
	}
	soon := 10 * time.Millisecond
	for _, step := range []struct {
		name string
		do   func() error
		want record.Status
		kind error
	}{
		{"pause before start", func() error { return e.Pause(ctx, "job") }, record.Created, errdefs.ErrConflict},
		{"stop before start", func() error { return e.Stop(ctx, "job", containers.StopOptions{}) }, record.Created, nil},
		{"start", func() error { return e.Start(ctx, "job") }, record.Running, nil},
		{"start again", func() error { return e.Start(ctx, "job") }, record.Running, nil},
		{"pause", func() error { return e.Pause(ctx, "job") }, record.Paused, nil},
		{"unpause", func() error { return e.Unpause(ctx, id[:12]) }, record.Running, nil},
		{"unpause again", func() error { return e.Unpause(ctx, "job") }, record.Running, errdefs.ErrConflict},
		{"restart", func() error { return e.Restart(ctx, "job", containers.StopOptions{Timeout: &soon}) }, record.Running, nil},
		{"no signal", func() error { return e.Kill(ctx, "job", "NOSUCH") }, record.Running, errdefs.ErrInvalid},
		{"kill", func() error { return e.Kill(ctx, "job", "") }, record.Exited, nil},
		{"kill again", func() error { return e.Kill(ctx, "job", "9") }, record.Exited, errdefs.ErrConflict},
		{"rename", func() error { return errors.Join(e.Rename(ctx, "job", "/work"), e.Rename(ctx, "work", "job")) }, record.Exited, nil},
	} {
		if err := step.do(); !errors.Is(err, step.kind) {
			t.Fatalf("%s: got %v, want %v", step.name, err, step.kind)
		}
		if step.name == "kill" {
			if end, err := e.Wait(ctx, "job"); err != nil || end.Code != 137 {
				t.Errorf("wait: %+v, %v; want 137", end, err)
			}
		}
		if got := status(); got != step.want {
			t.Fatalf("%s: it is %s, want %s", step.name, got, step.want)
		}
	}
}

// TestStreamsOfVerbs reads what a container writes in each way there is.
func TestStreamsOfVerbs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx := t.Context()
	_, err := e.Create(ctx, containers.CreateOptions{Name: "echo", Options: runspec.Options{
		Image: "busybox", Network: "none", Stdin: true, Command: []string{"sh", "-c", "read line; echo got $line; exit 3"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	typed, typing := io.Pipe()
	done := make(chan error, 1)
	var end containers.ExitStatus
	go func() {
		var err error
		end, err = e.Attach(ctx, "echo", containers.AttachOptions{Start: true, Streams: func(c containers.Attached) (containers.Streams, error) {
			if c.TTY || !c.OpenStdin {
				t.Errorf("attached to %+v, want open input and no terminal", c)
			}
			return containers.Streams{Stdin: typed, Stdout: &out, Stderr: io.Discard}, nil
		}})
		done <- err
	}()
	var ran bytes.Buffer
	for ctx.Err() == nil { // until it runs
		_, err = e.Exec(ctx, "echo", containers.ExecOptions{Args: []string{"sh", "-c", "echo inside; exit 4"}}, containers.Streams{Stdout: &ran})
		if !errors.Is(err, errdefs.ErrConflict) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil || ran.String() != "inside\n" {
		t.Errorf("exec: %q, %v", ran.String(), err)
	}
	if _, err := e.Exec(ctx, "echo", containers.ExecOptions{Args: []string{"/nosuch"}}, containers.Streams{}); !isStart(err, 127) {
		t.Errorf("exec of no program: got %v, want a containers.StartError of 127", err)
	}
	if rows, err := e.Top(ctx, "echo", nil); err != nil || len(rows) != 2 || !strings.Contains(strings.Join(rows[1], " "), "read line") {
		t.Errorf("top: %q, %v", rows, err)
	}
	if _, err := io.WriteString(typing, "this\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || end.Code != 3 || out.String() != "got this\n" {
		t.Errorf("attach: %q, %+v, %v", out.String(), end, err)
	}
	var log bytes.Buffer
	if err := e.Logs(ctx, "echo", containers.LogOptions{All: true}, &log, io.Discard); err != nil || log.String() != "got this\n" {
		t.Errorf("log: %q, %v", log.String(), err)
	}
	if _, err := e.Attach(context.WithoutCancel(ctx), "echo", containers.AttachOptions{}); !errors.Is(err, errdefs.ErrConflict) {
		t.Errorf("attach to one that ended: got %v, want ErrConflict", err)
	}
}

func isStart(err error, code int) bool {
	var start *containers.StartError
	return errors.As(err, &start) && start.Code == code
}

// TestPortsOfAContainer asks the engine for published ports as `port` does.
func TestPortsOfAContainer(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := containers.CreateOptions{Name: "web", Options: runspec.Options{
		Image: "busybox", Command: []string{"sleep", "1000"},
		Ports: []publish.Port{{ContainerPort: 80}, {ContainerPort: 53, Proto: "udp"}}, // at free ports of the host
	}}
	if _, _, err := e.Run(ctx, containers.RunOptions{CreateOptions: o, Detach: true}); err != nil {
		t.Fatal(err)
	}
	all, err := e.Ports(ctx, "web")
	if err != nil || len(all) != 2 {
		t.Fatalf("all: %v, %v", all, err)
	}
	for _, end := range []string{"80", "80/tcp", "53/udp"} {
		some, err := e.Ports(ctx, "web", end)
		if err != nil || len(some) != 1 || some[0].HostPort == 0 {
			t.Errorf("%s: %v, %v", end, some, err)
		}
	}
	for _, end := range []string{"53", "81", "nonsense"} {
		if _, err := e.Ports(ctx, "web", end); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", end, err)
		}
	}
	samples, err := e.Stats(ctx, nil, false)
	if err != nil || len(samples) != 1 || samples[0].Pids == 0 {
		t.Errorf("stats of what runs: %+v, %v", samples, err)
	}
}
