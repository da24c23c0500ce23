package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cove/engine/runspec"
	"cove/errdefs"
	"cove/network/publish"
	"cove/runner/record"
)

// TestMountAt finds where cp has to go while the container does not run: what is
// mounted nearest above a name, and never what only begins with the same letters.
func TestMountAt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mounts := []record.Mounted{
		{Source: dir, Target: "/data", Name: "outer"},
		{Source: dir, Target: "/data/in/", Name: "inner"},
		{Source: file, Target: "/etc/conf", Name: "file"},
		{Source: filepath.Join(dir, "gone"), Target: "/gone", Name: "gone"},
	}
	for _, tt := range []struct{ name, mount, rest string }{
		{"/data/x", "outer", "/x"},
		{"data/x", "outer", "/x"},
		{"/data", "outer", "/"},
		{"/data/", "outer", "//"},
		{"/data/.", "outer", "//."},
		{"/data/in/x/", "inner", "/x/"},
		{"/data/in/../x", "outer", "/x"},
		{"/database", "", ""},
		{"/etc/conf", "", ""}, // a file has nothing below it
		{"/gone/x", "", ""},   // its source is not there any more
		{"/", "", "/"},
	} {
		m, rest, ok := mountAt(mounts, tt.name)
		if ok != (tt.mount != "") || m.Name != tt.mount || ok && rest != tt.rest {
			t.Errorf("%s: %q, %q, %v; want %q, %q", tt.name, m.Name, rest, ok, tt.mount, tt.rest)
		}
	}
}

// TestPortsOfAContainer asks the engine for published ports as `port` does.
func TestPortsOfAContainer(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o := CreateOptions{Name: "web", Options: runspec.Options{
		Image: "busybox", Command: []string{"sleep", "1000"},
		Ports: []publish.Port{{ContainerPort: 80}, {ContainerPort: 53, Proto: "udp"}}, // at free ports of the host
	}}
	if _, _, err := e.Run(ctx, RunOptions{CreateOptions: o, Detach: true}); err != nil {
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
