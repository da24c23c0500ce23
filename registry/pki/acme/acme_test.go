package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/pki"
	"cove/registry/pki/acme"
	"cove/registry/pki/acmetest"
)

// told is a log that a test reads.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *told) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *told) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *told) has(text string) bool { return strings.Contains(l.all(), text) }

// site is a server whose certificates an authority issues.
type site struct {
	t         *testing.T
	root      *os.Root
	http, tls string
	authority *acmetest.Authority
	log       told
	manager   *acme.Manager
	stop      func()
}

func newSite(t *testing.T, opts acmetest.Options) *site {
	t.Helper()
	s := &site{t: t, http: acmetest.Free(t), tls: acmetest.Free(t)}
	opts.HTTP, opts.TLS = s.http, s.tls
	s.authority = acmetest.Start(t, opts)
	var err error
	if s.root, err = os.OpenRoot(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.root.Close() })
	if err := s.root.Mkdir("tls", 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// start serves; plain says whether plain HTTP is served too.
func (s *site) start(plain bool, c acme.Config, hosts ...string) {
	s.t.Helper()
	if c.Directory == "" {
		c.Directory, c.CAFile, c.AgreeToTerms = s.authority.Directory, s.authority.CAFile, true
	}
	log := slog.New(slog.NewTextHandler(&s.log, nil))
	var err error
	s.manager, err = acme.New(acme.Options{Config: c, Root: s.root, Hosts: hosts, HTTP: plain, Log: log, Agent: "test"})
	if err != nil {
		s.t.Fatal(err)
	}
	serving, err := pki.Serve(pki.ServingConfig{Root: s.root, Ahead: s.manager, Log: log})
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.tls)
	if err != nil {
		s.t.Fatal(err)
	}
	secure := &http.Server{Handler: http.NotFoundHandler(), TLSConfig: serving.Config(), ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	servers := []*http.Server{secure}
	var running sync.WaitGroup
	running.Go(func() { _ = secure.ServeTLS(l, "", "") }) // until it is closed
	if plain {
		l, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.http)
		if err != nil {
			s.t.Fatal(err)
		}
		second := &http.Server{Handler: s.manager.Challenges(http.RedirectHandler("https://elsewhere.test/", http.StatusFound))}
		servers = append(servers, second)
		running.Go(func() { _ = second.Serve(l) })
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	running.Go(func() { s.manager.Keep(ctx) })
	s.stop = sync.OnceFunc(func() {
		cancel()
		for _, server := range servers {
			_ = server.Close()
		}
		running.Wait()
	})
	s.t.Cleanup(s.stop)
}

// presented is the certificate that a client sees who trusts the authority alone, or
// why it refuses.
func (s *site) presented(host string) (*x509.Certificate, error) {
	d := &tls.Dialer{Config: &tls.Config{RootCAs: s.authority.Roots, ServerName: host}}
	conn, err := d.DialContext(s.t.Context(), "tcp", s.tls)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0], nil
}

func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	for begin := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			s.t.Fatalf("%s does not come\n%s", what, s.log.all())
		}
	}
}

// issued waits for a certificate.
func (s *site) issued(host string) *x509.Certificate {
	s.t.Helper()
	var leaf *x509.Certificate
	s.until("a certificate for "+host, func() (ok bool) {
		var err error
		leaf, err = s.presented(host)
		return err == nil
	})
	return leaf
}

// TestIssued gets certificates by each challenge, and keeps them over a restart.
func TestIssued(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"HTTP-01": true, "TLS-ALPN-01": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, acmetest.Options{})
			s.start(plain, acme.Config{}, "registry.test", "mirror.registry.test")
			first := s.issued("registry.test")
			s.issued("mirror.registry.test")
			if _, err := s.presented("other.test"); err == nil {
				t.Error("a client that trusts the authority alone takes what it did not issue")
			}
			if plain {
				resp, err := http.Get("http://" + s.http + "/.well-known/acme-challenge/unknown")
				if err != nil || resp.Body.Close() != nil || resp.StatusCode != http.StatusNotFound {
					t.Errorf("a challenge that nobody made: %v, %v", resp, err)
				}
			}
			s.stop()
			// No authority is needed for what is kept; another one's is not used.
			s.start(plain, acme.Config{Directory: s.authority.Directory, CAFile: "/absent", AgreeToTerms: true}, "registry.test")
			if leaf, err := s.presented("registry.test"); err != nil || !leaf.Equal(first) {
				t.Errorf("after a restart: %v", err)
			}
			s.manager.SetHosts([]string{"new.test"})
			s.until("what is wrong with ca_file", func() bool { return s.log.has("ca_file: open /absent") })
			s.stop()
			s.start(plain, acme.Config{Directory: "https://127.0.0.1:1/dir", AgreeToTerms: true}, "registry.test")
			if _, err := s.presented("registry.test"); err == nil {
				t.Error("the certificate of one authority is presented as another's")
			}
			s.until("that the authority does not answer", func() bool { return s.log.has("cannot be asked") })
		})
	}
}

// TestRenewed: with a third of its life left a certificate is replaced, while the
// server serves, and one that is kept damaged is asked for again.
func TestRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t, acmetest.Options{Life: 12 * time.Second})
	s.start(true, acme.Config{}, "registry.test")
	first := s.issued("registry.test")
	s.until("the next certificate", func() bool {
		leaf, err := s.presented("registry.test")
		return err == nil && !leaf.Equal(first) && leaf.NotAfter.After(first.NotAfter)
	})
	s.stop()
	kept, err := filepath.Glob(filepath.Join(s.root.Name(), "tls", "acme", "*", "registry.test.pem"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	if info, err := os.Stat(kept[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the key: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(kept[0], []byte("half a cer"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(true, acme.Config{}, "registry.test")
	s.issued("registry.test")
	if !s.log.has("a certificate that was kept cannot be used") {
		t.Error("nothing is said of the damaged one")
	}
}

// TestRefusals: what the authority refuses is told with the way out, and what was
// presented stays.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, acmetest.Options{Blocked: "blocked.test"})
	s.start(true, acme.Config{}, "a.blocked.test", "nobody"+acmetest.Absent)
	s.until("a name that is refused", func() bool { return s.log.has("it issues no certificate for this name") })
	s.until("a name that has no address", func() bool { return s.log.has("did not find that nobody" + acmetest.Absent + " is this server") })

	elsewhere := newSite(t, acmetest.Options{})
	elsewhere.http = acmetest.Free(t) // where the authority does not look
	elsewhere.start(true, acme.Config{}, "registry.test")
	elsewhere.until("what must be reached", func() bool { return elsewhere.log.has("port 80 of the name") })
	// The next try is by the other challenge.
	elsewhere.issued("registry.test")
}

// TestBoundAccounts: an authority that wants to know accounts gets to.
func TestBoundAccounts(t *testing.T) {
	t.Parallel()
	const key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
	s := newSite(t, acmetest.Options{Accounts: map[string]string{"kid-1": key}})
	s.start(false, acme.Config{}, "registry.test")
	s.until("what is missing", func() bool { return s.log.has("set key_id and key_file") })
	s.stop()
	file := filepath.Join(t.TempDir(), "key")
	for _, text := range []string{"not base64!", key + "\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.start(false, acme.Config{
			Directory: s.authority.Directory, CAFile: s.authority.CAFile, AgreeToTerms: true, Email: "ops@example.com",
			KeyID: "kid-1", KeyFile: file,
		}, "registry.test")
		if text == key+"\n" {
			s.issued("registry.test")
		} else {
			s.until("that the key is none", func() bool { return s.log.has("does not hold a key as base64url") })
		}
		s.stop()
	}
}

// TestCheck refuses configurations that cannot be.
func TestCheck(t *testing.T) {
	t.Parallel()
	agreed := func(c acme.Config) acme.Config { c.AgreeToTerms = true; return c }
	for want, c := range map[string]acme.Config{
		"":                         agreed(acme.Config{Email: "ops@example.com", Hosts: []string{"a.example.com"}}),
		"agree_to_terms: true":     {},
		"use the https:// URL":     agreed(acme.Config{Directory: "http://example.com/dir"}),
		`email is "ops"`:           agreed(acme.Config{Email: "ops"}),
		"key_id and key_file go":   agreed(acme.Config{KeyID: "x"}),
		"is an address":            agreed(acme.Config{Hosts: []string{"192.0.2.1"}}),
		"for wildcards":            agreed(acme.Config{Hosts: []string{"*.example.com"}}),
		"config: tls: acme: hosts": agreed(acme.Config{Hosts: []string{"not a name"}}),
	} {
		err := c.Check()
		if want == "" && err != nil || want != "" && (!errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	got := strings.Join(acme.Config{}.HostsOf([]string{"A.example.com", "DNS:b.example.com", "IP:192.0.2.1", "10.0.0.1", "localhost", "*.c.example.com"}), " ")
	if got != "a.example.com b.example.com" {
		t.Errorf("hosts: %s", got)
	}
	if got := (acme.Config{Hosts: []string{"only.example.com"}}).HostsOf([]string{"a"}); len(got) != 1 || got[0] != "only.example.com" {
		t.Errorf("hosts: %v", got)
	}
}
