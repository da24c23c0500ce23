package registrycmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRealClients pushes and pulls over TLS with other people's clients, which
// trust the authority that the registry made.
func TestRealClients(t *testing.T) {
	t.Parallel()
	p := serve(t, t.TempDir())
	certs := t.TempDir()
	ca := filepath.Join(p.root, "tls", "ca.crt")
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("curl", func(t *testing.T) {
		tool(t, "curl")
		out := succeed(t, exec.CommandContext(t.Context(), "curl", "-sS", "--cacert", ca, "-u", "admin:"+testPassword, p.URL("/v2/_catalog")))
		if !strings.Contains(out, `"repositories"`) {
			t.Errorf("catalog: %s", out)
		}
		if out, err := exec.CommandContext(t.Context(), "curl", "-sS", p.URL("/v2/")).CombinedOutput(); err == nil {
			t.Errorf("without the authority: %s", out)
		}
	})
	t.Run("skopeo", func(t *testing.T) { testSkopeo(t, p, certs) })
	t.Run("podman", func(t *testing.T) { testPodman(t, p, certs) })
	for name, test := range map[string]func(*testing.T, clientHome){
		"buildah": testBuildah, "crane": testCrane, "regctl": testRegctl, "helm": testHelm, "oras": testOras,
		"schema 2": testSchema2, "ctr and docker": testDaemons, "docker model": testModels,
	} {
		t.Run(name, func(t *testing.T) { test(t, newClientHome(t, p, ca)) })
	}
	p.Stop()
}

func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: install Debian's package %s", name, name)
	}
}

func succeed(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return string(out)
}

// layout makes an OCI layout with one image and returns skopeo's name of it.
func layout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tar := filepath.Join(t.TempDir(), "layer.tar")
	succeed(t, exec.CommandContext(t.Context(), "tar", "-C", dir, "-cf", tar, "hello"))
	return tar
}

// testSkopeo copies an image in, under a name of one component, and out again
// under the project's.
func testSkopeo(t *testing.T, p *process, certs string) {
	tool(t, "skopeo")
	dir := t.TempDir()
	source := "oci:" + filepath.Join(dir, "in") + ":v1"
	writeLayout(t, filepath.Join(dir, "in"))
	auth := []string{"--src-creds", "admin:" + testPassword, "--src-cert-dir", certs}
	push := []string{"copy", "--dest-creds", "admin:" + testPassword, "--dest-cert-dir", certs, source, "docker://" + p.Address + "/hello:v1"}
	succeed(t, exec.CommandContext(t.Context(), "skopeo", push...))
	pull := append([]string{"copy"}, append(auth, "docker://"+p.Address+"/library/hello:v1", "oci:"+filepath.Join(dir, "out")+":v1")...)
	succeed(t, exec.CommandContext(t.Context(), "skopeo", pull...))
	in, errIn := os.ReadDir(filepath.Join(dir, "in", "blobs", "sha256"))
	out, errOut := os.ReadDir(filepath.Join(dir, "out", "blobs", "sha256"))
	if errIn != nil || errOut != nil || len(in) != len(out) || len(in) != 3 {
		t.Errorf("pushed %d blobs (%v), pulled %d (%v)", len(in), errIn, len(out), errOut)
	}
	wrong := exec.CommandContext(t.Context(), "skopeo", "inspect", "--cert-dir", certs, "--creds", "admin:wrong password", "docker://"+p.Address+"/hello:v1")
	if out, err := wrong.CombinedOutput(); err == nil {
		t.Errorf("a wrong password is taken: %s", out)
	}
	none := exec.CommandContext(t.Context(), "skopeo", "inspect", "--cert-dir", certs, "--no-creds", "docker://"+p.Address+"/hello:v1")
	if out, err := none.CombinedOutput(); err == nil {
		t.Errorf("a private project is read by anyone: %s", out)
	}
	succeed(t, commandLine(t.Context(), "project", "public", "library", "--root", p.root))
	none = exec.CommandContext(t.Context(), "skopeo", "inspect", "--cert-dir", certs, "--no-creds", "docker://"+p.Address+"/hello:v1")
	succeed(t, none)
	succeed(t, exec.CommandContext(t.Context(), "skopeo", "delete", "--cert-dir", certs, "--creds", "admin:"+testPassword, "docker://"+p.Address+"/hello:v1"))
}

func testPodman(t *testing.T, p *process, certs string) {
	tool(t, "podman")
	if os.Geteuid() != 0 {
		t.Skip("needs root: podman's own storage")
	}
	state, err := os.MkdirTemp("/tmp", "podman-") //nolint:usetesting // podman takes no path of more than 50 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(state); err != nil {
			t.Error(err)
		}
	})
	podman := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "podman", append([]string{
			"--root", filepath.Join(state, "root"), "--runroot", filepath.Join(state, "run"), "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
		}, args...)...)
	}
	succeed(t, podman("import", "-q", layout(t), "localhost/hello:1"))
	name := p.Address + "/team/hello:1"
	succeed(t, podman("push", "--cert-dir", certs, "--creds", "admin:"+testPassword, "localhost/hello:1", name))
	succeed(t, podman("push", "--cert-dir", certs, "--creds", "admin:"+testPassword, "--compression-format", "zstd", "localhost/hello:1", name+"-zstd"))
	succeed(t, podman("pull", "-q", "--cert-dir", certs, "--creds", "admin:"+testPassword, name))
	succeed(t, podman("rmi", "-af"))
}
