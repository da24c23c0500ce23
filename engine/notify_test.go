package engine

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"cove/engine/containers"
	"cove/engine/runspec"
	"cove/runner"
	"cove/runner/record"
	"cove/sandbox/sandboxtest"
)

// TestProfileWithAgent: a profile of --security-opt leaves calls to an agent, which is told of
// the container and of each exec.
func TestProfileWithAgent(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	agent := sandboxtest.NewAgent(t, sandboxtest.Mkdirs...)
	o := runspec.Options{Image: "busybox", Command: []string{"sleep", "100"}, Network: "none"}
	o.Security.Seccomp = fmt.Sprintf(`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": %q, "listenerMetadata": "opaque",
		"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}`, agent.Path)
	c, err := made(t.Context(), e, containers.CreateOptions{Options: o})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := <-agent.Told
	if told.State.ID != c.ID() || told.Pid != st.Pid || told.State.Bundle == "" || told.Metadata != "opaque" {
		t.Errorf("%+v of process %d", told, st.Pid)
	}
	var out bytes.Buffer
	status, err := c.Exec(t.Context(), record.ExecConfig{Args: []string{"mkdir", "/made"}}, runner.Streams{Stderr: &out})
	if err != nil || status.Code != 1 || !strings.Contains(out.String(), "No medium found") {
		t.Errorf("%+v %v %q", status, err, &out)
	}
	if told := <-agent.Told; told.State.Pid != st.Pid || told.State.Status != "running" || told.Pid == st.Pid {
		t.Errorf("exec: %+v", told)
	}
	o.Security.Seccomp = strings.Replace(o.Security.Seccomp, agent.Path, filepath.Join(t.TempDir(), "none"), 1)
	if _, _, err := run(t, e, o, "true"); err == nil || !strings.Contains(err.Error(), "failed to connect with seccomp agent") {
		t.Errorf("nobody listens: %v", err)
	}
}
