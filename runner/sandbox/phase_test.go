package sandbox_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"cove/layers/mount"
	"cove/runner/plan"
	"cove/runner/sandbox"
	"cove/runner/seccomp"
	"golang.org/x/sys/unix"
)

func TestPhases(t *testing.T) {
	if os.Getenv("PHASES") == "" {
		t.Skip()
	}
	root := mount.Mount{Type: "bind", Source: rootfs(t)}
	h := features(t)
	for _, filtered := range []bool{false, true} {
		spec := baseSpec("/bin/true")
		var filter []unix.SockFilter
		if filtered {
			spec.Linux.Seccomp = defaultProfile(t, spec)
			filter, _ = seccomp.Compile(spec.Linux.Seccomp, "amd64")
		}
		var ts [6][]time.Duration
		for range 200 {
			var at [7]time.Time
			at[0] = time.Now()
			h = features(t)
			at[1] = time.Now()
			p, err := plan.Compile(spec, h)
			if err != nil {
				t.Fatal(err)
			}
			at[2] = time.Now()
			proc, err := sandbox.Create(t.Context(), sandbox.Request{Plan: p, Spec: spec, Root: root, Filter: filter})
			if err != nil {
				t.Fatal(err)
			}
			at[3] = time.Now()
			proc.Start()
			at[4] = time.Now()
			proc.Wait(t.Context())
			proc.PidFD().Close()
			at[5] = time.Now()
			for i := range 5 {
				ts[i] = append(ts[i], at[i+1].Sub(at[i]))
			}
			ts[5] = append(ts[5], at[5].Sub(at[0]))
		}
		for i, n := range []string{"detect", "compile", "create", "start", "wait", "total"} {
			slices.Sort(ts[i])
			t.Logf("%v %-8s min %v med %v", filtered, n, ts[i][0], ts[i][len(ts[i])/2])
		}
	}
}
