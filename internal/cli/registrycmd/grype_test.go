package registrycmd

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestGrypeScans has images scanned by grype, behind an adapter that is a process of its
// own and speaks Harbor's API of scanners: for a project that chose it and keeps back
// what is bad, after a kill of the registry in the middle of a scan, and when the adapter
// is away.
func TestGrypeScans(t *testing.T) {
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("COVE_SOAK=1 asks grype, which make soak builds")
	}
	t.Parallel()
	adapter := startAdapter(t)
	p := serve(t, t.TempDir(), "--tls=off")
	step := func(want string, code int, args ...string) string {
		t.Helper()
		out, errs, got := here(t, "", append(append([]string{"scan"}, args...), "--root", p.root)...)
		if got != code || !strings.Contains(out+errs, want) {
			t.Errorf("registry scan %s: %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, out, errs)
		}
		return out
	}
	bad := pushImage(t, p, "team/app", "bad", layerOf(t, "opt/log4j-core-2.14.1.jar", log4j(t, "2.14.1")))
	good := pushImage(t, p, "team/app", "good", layerOf(t, "opt/log4j-core-2.17.1.jar", log4j(t, "2.17.1")))
	step("", 0, "scanner", "add", "grype", adapter.address, "--registry", "http://"+p.Address)
	step("grype answers: Anchore Grype", 0, "scanner", "test", "grype")
	step("", 0, "gate", "set", "team", "--scanner", "grype", "--severity", "unknown", "--unscanned", "block")
	pull := func(dgst string, want int) {
		t.Helper()
		if code, _, body := p.do("GET", "/v2/team/app/manifests/"+dgst, nil); code != want {
			t.Errorf("a pull of %s: %d, want %d: %s", dgst, code, want, body)
		}
	}
	pull(good, 403) // not scanned yet
	step("", 0, "run", "--wait", "team/app:bad")
	step("CVE-2021-44228", 0, "show", "team/app:bad")
	step("log4j-core 2.14.1", 0, "show", "team/app:bad", "--format", "{{.Package}} {{.Version}}")
	step("team/app@"+bad, 0, "cve", "CVE-2021-44228")
	step(",CVE-2021-44228,", 0, "export", "--project", "team")
	pull(bad, 403)
	step("", 0, "run", "team/app:good")
	p.Kill() // the scan is done again by the next server
	p = serve(t, p.root, "--tls=off", "--listen", p.Address)
	eventually(t, "the scan after the kill", func() bool {
		code, _, _ := p.do("GET", "/v2/team/app/manifests/"+good, nil)
		return code == 200
	})
	step("scanned by grype, 0 vulnerabilities", 0, "show", "team/app:good")
	adapter.stop(t)
	step("connection refused", 1, "scanner", "test", "grype")
	step("", 1, "run", "--wait", "team/app:good")
}

// adapter is the process beside the registry.
type adapter struct {
	address string
	cmd     *exec.Cmd
}

func (a adapter) stop(t *testing.T) {
	t.Helper()
	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = a.cmd.Wait() // it was killed
}

// startAdapter builds the adapter and starts it, with a database of one vulnerability.
func startAdapter(t *testing.T) adapter {
	t.Helper()
	dir := t.TempDir()
	tool := func(name string) string {
		path, err := filepath.Abs("../../../.cache/tools/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	program, at, cache := filepath.Join(dir, "adapter"), filepath.Join(dir, "address"), filepath.Join(dir, "db")
	if err := os.MkdirAll(filepath.Join(cache, "6"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"go", "build", "-o", program, "./testdata/grypeadapter"}, {tool("grypedb"), filepath.Join(cache, "6")},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, tool("grype"), at)
	cmd.Env = append(os.Environ(), "GRYPE_DB_AUTO_UPDATE=false", "GRYPE_DB_VALIDATE_AGE=false", "GRYPE_CHECK_FOR_APP_UPDATE=false",
		"GRYPE_DB_CACHE_DIR="+cache)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // it may have been stopped
	var address []byte
	waitFor(t, "the adapter", func() bool {
		address, _ = os.ReadFile(at)
		return len(address) > 0
	})
	return adapter{string(address), cmd}
}

// log4j is a JAR of that library, as its build tool describes it.
func log4j(t *testing.T, version string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range map[string]string{
		"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", // without it grype takes it for no archive of Java
		"META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties": "version=" + version +
			"\ngroupId=org.apache.logging.log4j\nartifactId=log4j-core\n",
	} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
