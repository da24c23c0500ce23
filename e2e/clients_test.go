package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cove/distribution/distributiontest"
)

// TestGoClients has the libraries of clients drive cove, which are a module of their own.
func TestGoClients(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: containers are made")
	}
	s := serveAPI(t)
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(root, body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "-timeout", "10m", "./...")
	cmd.Dir = "clients"
	cmd.Env = append(s.env, "COVE_CLIENTS_ROOTFS="+root,
		"COVE_CLIENTS_REGISTRY="+distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t))))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
