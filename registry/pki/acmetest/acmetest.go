// Package acmetest starts an authority that issues by ACME, for tests: pebble, of
// who wrote the protocol, which the Makefile builds, with a DNS in which every name
// is this machine.
package acmetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"cove/registry/pki"
)

// BinaryEnv names pebble, where it is not in the folder of the Makefile.
const BinaryEnv = "COVE_TEST_PEBBLE"

// Options say how an authority behaves.
type Options struct {
	// HTTP and TLS are the addresses of who is asked for a certificate.
	HTTP, TLS string
	// Life is that of a certificate; 0 is 90 days.
	Life time.Duration
	// Blocked is a domain that it issues nothing for.
	Blocked string
	// Accounts, by id, are keys as base64url: without them it takes anybody.
	Accounts map[string]string
}

// Absent ends names that have no address.
const Absent = ".absent.test"

// Authority is one that runs.
type Authority struct {
	Directory string
	CAFile    string         // vouches for the directory
	Roots     *x509.CertPool // vouch for what is issued
	log       log
}

// log is written by a process while it is read.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Free is an address of this machine that nobody listens at.
func Free(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts an authority that ends with the test, or skips the test.
func Start(t testing.TB, opts Options) *Authority {
	t.Helper()
	name, dir := pebble(t), t.TempDir()
	a := &Authority{CAFile: filepath.Join(dir, "ca.pem")}
	a.certificate(t, dir)
	listen, management := Free(t), Free(t)
	a.Directory = "https://" + listen + "/dir"
	life := opts.Life
	if life == 0 {
		life = 90 * 24 * time.Hour
	}
	blocked := []string{}
	if opts.Blocked != "" {
		blocked = append(blocked, opts.Blocked)
	}
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": management,
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": port(t, opts.HTTP), "tlsPort": port(t, opts.TLS),
		"externalAccountBindingRequired": opts.Accounts != nil, "externalAccountMACKeys": opts.Accounts,
		"domainBlocklist": blocked, "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "test", "validityPeriod": int(life.Seconds())}},
	}}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "config.json"), text)
	cmd := exec.CommandContext(context.Background(), name, "-config", filepath.Join(dir, "config.json"), "-dnsserver", serveDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = &a.log, &a.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // by our signal, or its log says why
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if t.Failed() {
			t.Logf("pebble said:\n%s", &a.log)
		}
	})
	a.Roots = a.roots(t, "https://"+management+"/roots/0", ended)
	return a
}

// certificate makes the authority's own, for HTTPS.
func (a *Authority) certificate(t testing.TB, dir string) {
	t.Helper()
	ca, err := pki.NewAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	names, err := pki.ParseNames("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(names, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	write(t, a.CAFile, ca.CertPEM)
	write(t, filepath.Join(dir, "cert.pem"), pair.CertPEM)
	write(t, filepath.Join(dir, "key.pem"), pair.KeyPEM)
}

// roots waits for the authority, and asks it for the root of what it issues, which
// it has made for this run.
func (a *Authority) roots(t testing.TB, at string, ended <-chan struct{}) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(a.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	own, issued := x509.NewCertPool(), x509.NewCertPool()
	own.AppendCertsFromPEM(text)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: own}, DisableKeepAlives: true}}
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		body, err := get(t, client, at)
		if err == nil && issued.AppendCertsFromPEM(body) {
			return issued
		}
		select {
		case <-ended:
			t.Fatalf("pebble ended: %v", err)
		default:
		}
	}
	t.Fatal("pebble does not answer")
	return nil
}

func get(t testing.TB, client *http.Client, at string) ([]byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	return body, errors.Join(err, resp.Body.Close())
}

func port(t testing.TB, address string) int {
	t.Helper()
	if address == "" {
		address = Free(t)
	}
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func pebble(t testing.TB) string {
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
	name := filepath.Join(dir, ".cache", "tools", "pebble")
	if _, err := os.Stat(name); err != nil {
		t.Skipf("needs pebble: make deps-test builds it, or set %s", BinaryEnv)
	}
	return name
}

// serveDNS answers, over TCP, for every name with the address of this machine, but
// for those that are Absent.
func serveDNS(t testing.TB) (address string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_ = conversation(conn) // who asked asks again
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return l.Addr().String()
}

// conversation answers questions, each with its length before it (RFC 1035, section
// 4.2.2), until there are no more.
func conversation(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	for {
		var length uint16
		if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
			return err
		}
		asked := make([]byte, length)
		if _, err := io.ReadFull(conn, asked); err != nil {
			return err
		}
		answer, err := answerDNS(asked)
		if err != nil {
			return err
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return err
		}
	}
}

func answerDNS(asked []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(asked); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("no question: %w", err)
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Answers, m.Additionals = true, true, nil, nil
	switch absent := strings.HasSuffix(strings.TrimSuffix(q.Name.String(), "."), Absent); {
	case absent:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	return m.Pack()
}
