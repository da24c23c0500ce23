// Package s3test starts an S3 service for tests: versitygw over TLS, which the
// Makefile builds. It is a real one, with a folder as its storage. Where the
// environment says so ([ServiceEnv]), it is Ceph's.
package s3test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"cove/content/s3store/objects"
)

// BinaryEnv names versitygw, where it is not in the folder of the Makefile.
const BinaryEnv = "COVE_TEST_VERSITYGW"

// Server is a running service.
type Server struct {
	Endpoint    string
	CA          string // a file
	Credentials string // a file, as of Amazon's tools
	dir         string
	log         strings.Builder
	cmd         *exec.Cmd
	args        []string
	binary      string
	account     string
	bucket      string
	cephConf    string // "" of versitygw
}

// Start starts a service that ends with the test, or skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: Dir(t), bucket: "registry-" + strings.ToLower(rand.Text())[:8], account: "cove"}
	s.certificate(t)
	s.Endpoint = "https://" + free(t)
	start := s.startVersity
	switch service := os.Getenv(ServiceEnv); service {
	case "ceph":
		start = s.startCeph
	case "":
	default:
		t.Fatalf("%s is %q: it is ceph, or not set", ServiceEnv, service)
	}
	secret := start(t)
	s.Credentials = filepath.Join(s.dir, "credentials")
	write(t, s.Credentials, "[default]\naws_access_key_id = "+s.account+"\naws_secret_access_key = "+secret+"\n")
	s.Run(t)
	s.makeBucket(t, secret)
	return s
}

func (s *Server) startVersity(t testing.TB) (secret string) {
	t.Helper()
	s.binary = binary(t)
	secret = rand.Text()
	for _, name := range []string{"data", "sidecar"} {
		if err := os.Mkdir(filepath.Join(s.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.args = []string{
		"--port", strings.TrimPrefix(s.Endpoint, "https://"), "--access", s.account, "--secret", secret,
		"--keep-alive", "--quiet", "--cert", s.CA, "--key", filepath.Join(s.dir, "key.pem"),
		"posix", "--sidecar", filepath.Join(s.dir, "sidecar"), filepath.Join(s.dir, "data"),
	}
	return secret
}

// Run starts the process, also one that Kill has ended.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	s.cmd = exec.CommandContext(context.Background(), s.binary, s.args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	dialer := net.Dialer{Timeout: time.Second}
	for begun := time.Now(); time.Since(begun) < time.Minute; { // Ceph's makes its pools first
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Endpoint, "https://"))
		if err == nil {
			conn.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%s does not answer:\n%s", s.binary, &s.log)
}

// Kill ends the process; what was acknowledged stays.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it is ours, and may have ended
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Config is a place of its own in the service.
func (s *Server) Config() objects.Config {
	return objects.Config{
		Endpoint: s.Endpoint, Bucket: s.bucket, Prefix: strings.ToLower(rand.Text())[:10],
		Credentials: s.Credentials, CA: s.CA, Timeout: 10 * time.Second,
	}
}

// Bucket is a new place in the service.
func (s *Server) Bucket(t testing.TB) *objects.Bucket {
	t.Helper()
	b, err := objects.Connect(t.Context(), s.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// Damage changes a byte of an object where the service keeps it.
func (s *Server) Damage(t testing.TB, prefix, key string) {
	t.Helper()
	if s.cephConf != "" {
		s.damageInCeph(t, prefix+"/"+key)
		return
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "data", s.bucket, prefix, filepath.FromSlash(key)), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
}

// folder is a new one in memory, if there is memory that is one. Nobody removes it.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cove-s3-") //nolint:usetesting // t.TempDir is not in memory
	if err != nil {
		dir, err = os.MkdirTemp("", "cove-s3-") //nolint:usetesting // and a cluster outlives the test that began it
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Dir is a temporary folder in memory, if there is one.
func Dir(t testing.TB) string {
	t.Helper()
	dir := folder(t)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func binary(t testing.TB) string {
	t.Helper()
	if name := os.Getenv(BinaryEnv); name != "" {
		return name
	}
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	name := filepath.Join(dir, ".cache", "tools", "versitygw")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("needs versitygw: make deps-test builds it, or set %s", BinaryEnv)
	}
	return name
}

// certificate takes the one of an HTTP server for tests, which is its own authority.
func (s *Server) certificate(t testing.TB) {
	t.Helper()
	https := httptest.NewTLSServer(nil)
	defer https.Close()
	key, err := x509.MarshalPKCS8PrivateKey(https.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	s.CA = filepath.Join(s.dir, "ca.pem")
	write(t, s.CA, encode("CERTIFICATE", https.Certificate().Raw))
	write(t, filepath.Join(s.dir, "key.pem"), encode("PRIVATE KEY", key))
}

func encode(kind string, b []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
}

func (s *Server) makeBucket(t testing.TB, secret string) {
	t.Helper()
	hc := HTTPClient(t, s.CA)
	client := s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, UsePathStyle: true, Region: "us-east-1", HTTPClient: hc,
		Credentials: credentials.NewStaticCredentialsProvider(s.account, secret, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(s.bucket)}); err != nil {
		t.Fatalf("making a bucket: %v\n%s", err, &s.log)
	}
	hc.CloseIdleConnections()
}

func free(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
