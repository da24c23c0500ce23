package registrycmd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/fsstore"
	"cove/distribution/distributiontest"
)

// asRegistry makes this test binary behave as the registry's: what is killed
// below is the real command line and server in a process of their own.
const asRegistry = "COVE_TEST_AS_REGISTRY"

func TestMain(m *testing.M) {
	if os.Getenv(asRegistry) != "" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(apart(m.Run))
}

// apart has commands find no sign-in but those of the tests.
func apart(run func() int) int {
	dir, err := os.MkdirTemp("", "docker-config-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	// podman insists on a file where it is told of a folder.
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o600); err != nil {
		panic(err)
	}
	// Not set to nothing: docker's registry takes each REGISTRY_… for its own.
	if err := errors.Join(os.Setenv("DOCKER_CONFIG", dir), os.Unsetenv("REGISTRY_AUTH_FILE")); err != nil {
		panic(err)
	}
	return run()
}

const testPassword = "correct horse"

// commandLine is "registry ARGS…" in a process of its own.
func commandLine(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asRegistry+"=1", "COVE_ADMIN_PASSWORD="+testPassword)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs "registry ARGS…" and returns what it wrote.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := commandLine(t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// process is a running "registry serve".
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	stdout  bytes.Buffer
	stderr  bytes.Buffer
	root    string
	Address string
	client  *http.Client
	scheme  string
	took    time.Duration // from exec to ready
}

// serve starts a registry on root and waits until it is ready.
func serve(t testing.TB, root string, args ...string) *process {
	t.Helper()
	return serveBy(t, os.Args[0], root, args...)
}

// serveBy is serve by a program, which is this one or the one that people install.
func serveBy(t testing.TB, program, root string, args ...string) *process {
	t.Helper()
	return serveIn(t, nil, program, root, args...)
}

// serveIn is serveBy with more variables, which go before those of all tests.
func serveIn(t testing.TB, env []string, program, root string, args ...string) *process {
	t.Helper()
	p := &process{t: t, root: root, scheme: "https", client: &http.Client{Transport: &http.Transport{}}}
	addressFile := filepath.Join(t.TempDir(), "address")
	args = append([]string{"serve", "--root", root, "--listen", "127.0.0.1:0", "--address-file", addressFile, "--access-log=false"}, args...)
	for _, a := range args {
		if a == "--tls=off" {
			p.scheme = "http"
		}
	}
	p.cmd = commandLine(context.Background(), args...)
	p.cmd.Path = program
	p.cmd.Env = append(append(p.cmd.Env, "TMPDIR="+t.TempDir()), env...) // what SQLite has there, kill -9 leaves there
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	for {
		if b, err := os.ReadFile(addressFile); err == nil {
			p.Address = strings.TrimSpace(string(b))
			if p.ready() {
				p.took = time.Since(start)
				return p
			}
		}
		if time.Since(start) > time.Minute || p.cmd.ProcessState != nil {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // it tells where it is, if it is still there
			_ = p.cmd.Wait()
			t.Fatalf("the registry did not start: %s%s", &p.stdout, &p.stderr)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (p *process) ready() bool {
	if p.scheme == "https" {
		pem, err := os.ReadFile(filepath.Join(p.root, "tls", "ca.crt"))
		if err != nil {
			return false
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		p.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}}
	}
	resp, err := p.client.Get(p.URL("/readyz"))
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// URL is where path is on this registry.
func (p *process) URL(path string) string { return p.scheme + "://" + p.Address + path }

// Kill is kill -9.
func (p *process) Kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		_ = p.cmd.Wait()         // by our signal
	}
	p.client.CloseIdleConnections()
}

// Stop is SIGTERM; the registry must end in order.
func (p *process) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the registry did not stop in order: %v\n%s", err, &p.stderr)
	}
}

// do sends one request as admin and returns status, headers and body; status 0
// is a connection that broke.
func (p *process) do(method, path string, body []byte, header ...string) (int, http.Header, []byte) {
	return p.send("admin", testPassword, method, path, body, header...)
}

// as is do as someone else.
func (p *process) as(name, password, method, path string) (int, http.Header, []byte) {
	return p.send(name, password, method, path, nil)
}

func (p *process) send(name, password, method, path string, body []byte, header ...string) (int, http.Header, []byte) {
	url := path
	if strings.HasPrefix(path, "/") {
		url = p.URL(path)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return 0, nil, nil
	}
	req.SetBasicAuth(name, password)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	got, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, nil, nil
	}
	return resp.StatusCode, resp.Header, got
}

// lines are the non-empty lines of a text.
func lines(s string) (all []string) {
	for sc := bufio.NewScanner(strings.NewReader(s)); sc.Scan(); {
		if strings.TrimSpace(sc.Text()) != "" {
			all = append(all, sc.Text())
		}
	}
	return all
}

func manifestOf(config, layer string, configSize, layerSize int) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",`+
		`"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`,
		config, configSize, layer, layerSize)
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// writeLayout makes an OCI layout that holds one image tagged v1.
func writeLayout(t *testing.T, dir string) {
	t.Helper()
	store, err := fsstore.Open(dir, fsstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	img := distributiontest.NewImage(t, 1, 5000)
	for dgst, b := range img.Blobs {
		if _, err := content.WriteBytes(t.Context(), store, ocispec.Descriptor{Digest: dgst}, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := content.WriteBytes(t.Context(), store, img.Manifest.Descriptor, img.Manifest.Body); err != nil {
		t.Fatal(err)
	}
	index := distributiontest.Index(t, ocispec.Descriptor{
		MediaType: img.Manifest.Descriptor.MediaType, Digest: img.Manifest.Descriptor.Digest, Size: img.Manifest.Descriptor.Size,
		Annotations: map[string]string{ocispec.AnnotationRefName: "v1"},
	})
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "index.json"), index.Body, 0o600), store.Close()); err != nil {
		t.Fatal(err)
	}
}
