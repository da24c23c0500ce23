package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// debianBase is an archive of a Debian's files. It is made once, and kept with what else the
// Makefile fetches.
var debianBase = sync.OnceValues(func() (string, error) {
	cache, err := filepath.Abs("../.cache")
	if err != nil {
		return "", err
	}
	base := filepath.Join(cache, "debian.tar")
	if info, err := os.Stat(base); err == nil && info.Size() > 0 {
		return base, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	if out, err := exec.Command("../fixtures/debian/make-base.sh", base).CombinedOutput(); err != nil {
		return "", fmt.Errorf("making a Debian base: %w: %s", err, out)
	}
	return base, nil
})

// copyMachine copies how this machine reaches registries of packages, so that a build can be
// given it, into a directory: certificates and the like as a context, the rest as secrets. $GOROOT is
// where Go is.
func copyMachine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: machine DIRECTORY")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Join(dir, "context"), 0o755))
	home, err := os.UserHomeDir()
	ts.Check(err)
	for name, from := range map[string]string{
		"context/ca-certificates.crt": cmp.Or(os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"),
		"npmrc":                       filepath.Join(home, ".npmrc"),
		"pip.conf":                    "/etc/pip.conf",
	} {
		body, err := os.ReadFile(from)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			ts.Check(err)
		}
		ts.Check(os.WriteFile(filepath.Join(dir, name), body, 0o644))
	}
	goEnv := func(key string) string {
		out, err := exec.Command("go", "env", key).Output()
		ts.Check(err)
		return strings.TrimSpace(string(out))
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "context/goproxy"), []byte(goEnv("GOPROXY")), 0o644))
	ts.Setenv("GOROOT", goEnv("GOROOT"))
}

func debian(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: debian NAME")
	}
	base, err := debianBase()
	ts.Check(err)
	ts.Check(ts.Exec("cove", "import", base, args[0]))
}

// answers asks a container until it says what is wanted, which may take a virtual machine
// of Java a while.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: answers CONTAINER PORT PATTERN")
	}
	want, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	ts.Check(ts.Exec("cove", "port", args[0], args[1]))
	url := "http://" + strings.TrimSpace(ts.ReadFile("stdout")) + "/"
	var last string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = get(url); want.MatchString(last) {
			return
		}
	}
	_ = ts.Exec("cove", "logs", args[0])
	ts.Fatalf("%s says %q, want %s", url, last, want)
}

// get returns the body at a URL, or why there is none.
func get(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err.Error()
	}
	return string(body)
}
