package packaging_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRegistryOfTheOtherProcessor starts the registry that is given out for the other
// processor under QEMU, and signs in to it. To compile it takes minutes, so `make soak`
// asks for it by COVE_SOAK.
func TestRegistryOfTheOtherProcessor(t *testing.T) {
	t.Parallel()
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("make soak: compiles the registry for another processor")
	}
	other, emulator := "arm64", "qemu-aarch64-static"
	if runtime.GOARCH == "arm64" {
		other, emulator = "amd64", "qemu-x86_64-static"
	}
	if _, err := exec.LookPath(emulator); err != nil {
		t.Fatal("needs qemu-user-static")
	}
	state := t.TempDir()
	registry := filepath.Join(state, "registry")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", registry, "./cmd/registry")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+other)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const password = "a password of 24 letters"
	address := filepath.Join(state, "address")
	serve := exec.CommandContext(t.Context(), emulator, registry, "serve", "--tls=off", "--root", filepath.Join(state, "root"),
		"--listen", "127.0.0.1:0", "--address-file", address)
	serve.Env = append(os.Environ(), "COVE_ADMIN_PASSWORD="+password)
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	host := ""
	for range 600 {
		if text, err := os.ReadFile(address); err == nil {
			host = strings.TrimSpace(string(text))
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a sign-in: %s %v", resp.Status, err)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
