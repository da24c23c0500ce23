package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cove/distribution/distributiontest"
)

// TestDockerPy has Python's client do what scripts do with it: with the version that it
// has by itself, and with the newest that is served. Debian's python3 has Debian's package.
func TestDockerPy(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import docker").Run(); err != nil || os.Geteuid() != 0 {
		t.Skipf("needs root, and docker-py, which make deps-test brings: %v", err)
	}
	body, err := rootfsTar()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(t.TempDir(), "root.tar")
	if err := os.WriteFile(root, body, 0o600); err != nil {
		t.Fatal(err)
	}
	for version, subnet := range map[string]string{"1.41": "10.74.41.", "auto": "10.74.51."} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := serveAPI(t)
			registry := distributiontest.Serve(t, t.Context(), distributiontest.NewMemory(distributiontest.Store(t)))
			out, err := s.run(t.Context(), "", strings.Join(
				[]string{python, "testdata/clients/docker_py.py", version, registry, root, subnet}, " "))
			if err != nil {
				t.Errorf("%v", err)
			}
			t.Log(out)
		})
	}
}
