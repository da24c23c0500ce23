package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// servers holds the registries of each story, by their roots.
var servers sync.Map

type server struct {
	cmd  *exec.Cmd
	args []string
	log  *bytes.Buffer
}

func registryCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: registry [second] start [flag…] | stop | kill | again")
	}
	root, variable := filepath.Join(ts.Getenv("WORK"), "registry"), "REGISTRY"
	if args[0] == "second" {
		root, variable, args = filepath.Join(ts.Getenv("WORK"), "second"), "SECOND", args[1:]
	}
	switch args[0] {
	case "start":
		startRegistry(ts, root, "127.0.0.1:0", args[1:])
		ts.Setenv(variable, address(ts, root))
		trust(ts, root)
	case "again":
		startRegistry(ts, root, ts.Getenv(variable), running(ts, root).args)
	case "stop":
		s := running(ts, root)
		ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
		if err := s.cmd.Wait(); err != nil {
			ts.Fatalf("registry: %v\n%s", err, s.log)
		}
	case "kill":
		s := running(ts, root)
		ts.Check(s.cmd.Process.Kill())
		_ = s.cmd.Wait() // a killed process has no clean exit
	default:
		ts.Fatalf("registry: unknown word %q", args[0])
	}
}

func running(ts *testscript.TestScript, root string) *server {
	s, ok := servers.Load(root)
	if !ok {
		ts.Fatalf("no registry was started in this story")
	}
	return s.(*server)
}

// address is where the registry of a root listens.
func address(ts *testscript.TestScript, root string) string {
	body, err := os.ReadFile(root + ".address")
	ts.Check(err)
	return strings.TrimSpace(string(body))
}

func startRegistry(ts *testscript.TestScript, root, listen string, flags []string) {
	address := root + ".address"
	_ = os.Remove(address) // not there on the first start
	bin, err := lookPath(ts.Getenv("PATH"), "registry")
	ts.Check(err)
	s := &server{args: flags, log: new(bytes.Buffer)}
	s.cmd = exec.Command(bin, append([]string{"serve", "--root", root, "--listen", listen, "--address-file", address}, flags...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	ts.Check(s.cmd.Start())
	servers.Store(root, s)
	ts.Defer(func() {
		_ = s.cmd.Process.Kill() // it has ended already in a story that stops it
		_ = s.cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if body, err := os.ReadFile(address); err == nil && len(body) > 0 {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the registry did not start")
		}
	}
}

// trust puts the registry's CA where the clients of this story look, and its
// password into $PASSWORD.
func trust(ts *testscript.TestScript, root string) {
	password, err := os.ReadFile(filepath.Join(root, "admin-password"))
	ts.Check(err)
	ts.Setenv("PASSWORD", strings.TrimSpace(string(password)))
	ca, err := os.ReadFile(filepath.Join(root, "tls", "ca.crt"))
	if os.IsNotExist(err) {
		return // --tls=off
	}
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("COVE_CERTS_DIR"), address(ts, root))
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o644))
}

func lookPath(path, name string) (string, error) {
	for dir := range strings.SplitSeq(path, string(os.PathListSeparator)) {
		full := filepath.Join(dir, name)
		if fi, err := os.Stat(full); err == nil && fi.Mode().IsRegular() {
			return full, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}
