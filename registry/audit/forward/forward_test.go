package forward

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/outbound"
)

// sink keeps what a receiver got.
type sink struct {
	mu  sync.Mutex
	got []string
}

func (s *sink) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, text)
}

func (s *sink) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// datagrams receives over UDP.
func datagrams(t *testing.T) (*sink, string) {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s := &sink{}
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			s.add(string(b[:n]))
		}
	}()
	return s, conn.LocalAddr().String()
}

// frames receives messages with their length before them (RFC 6587, 3.4.1), on a listener.
func frames(t *testing.T, l net.Listener) *sink {
	t.Helper()
	t.Cleanup(func() { _ = l.Close() })
	s := &sink{}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for rd := bufio.NewReader(conn); ; {
					length, err := rd.ReadString(' ')
					if err != nil {
						return
					}
					n, err := strconv.Atoi(strings.TrimSpace(length))
					if err != nil {
						s.add("no length: " + length)
						return
					}
					b := make([]byte, n)
					if _, err := io.ReadFull(rd, b); err != nil {
						return
					}
					s.add(string(b))
				}
			}()
		}
	}()
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// secured is a listener with a certificate of its own, which lies in a file.
func secured(t *testing.T) (l net.Listener, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return tls.NewListener(listen(t), conf), ca
}

// note writes lines to the log.
func note(t *testing.T, m *metadata.DB, objects ...string) {
	t.Helper()
	err := m.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) (err error) {
		for _, o := range objects {
			err = errors.Join(err, audit.Record(ctx, tx, auth.Caller{Name: "ann"}, audit.Change{Action: "tag.delete", Object: o}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run forwards until the test ends.
func run(t *testing.T, m *metadata.DB, receivers ...Receiver) *Forwarder {
	t.Helper()
	for _, r := range receivers {
		if err := r.Check(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := New(Config{DB: m, Receivers: receivers, Host: "registry.test", Log: slog.New(slog.DiscardHandler), Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range f.lines { // each begins with what comes from now on
		if _, ours, err := f.claim(t.Context(), l.name); err != nil || !ours {
			t.Fatal(ours, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { f.Run(ctx) })
	t.Cleanup(func() { stop(); ended.Wait() })
	return f
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// rfc5424 is the form of a message: its header, structured data and text.
var rfc5424 = regexp.MustCompile(`^<10[89]>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z registry\.test cove-registry - ` +
	`tag\.delete \[audit@32473 id="\d+" actor="ann" action="tag\.delete" object="(?:[^"\\\]]|\\["\\\]])*"\] tag\.delete [^\x00-\x1f]* by ann$`)

// TestEveryTransport sends the same lines over UDP, TCP, TLS and as posts, and wants each
// to have all of them, in order.
func TestEveryTransport(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		udp, udpAt := datagrams(t)
		plainL := listen(t)
		tcp := frames(t, plainL)
		tlsL, ca := secured(t)
		over := frames(t, tlsL)
		hook, key := &sink{}, filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte("s3cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(posts(t, hook, 2))
		t.Cleanup(srv.Close)
		run(t, m, Receiver{URL: "syslog+udp://" + udpAt}, Receiver{URL: "syslog+tcp://" + plainL.Addr().String()},
			Receiver{URL: "syslog+tls://" + tlsL.Addr().String(), CA: ca},
			Receiver{URL: srv.URL + "/in", SecretFile: key, AuthorizationFile: key})
		want := []string{"team/app:v1", `with "quotes", ] and \`, "two\nlines", "中文"}
		note(t, m, want...)
		for what, s := range map[string]*sink{"udp": udp, "tcp": tcp, "tls": over, "post": hook} {
			eventually(t, what, func() bool { return len(s.all()) >= len(want) })
			got := s.all()
			for i, object := range want {
				if what == "post" {
					if got[i] != object {
						t.Errorf("post: %q, want %q", got[i], object)
					}
					continue
				}
				if !rfc5424.MatchString(got[i]) || i != 2 && !strings.Contains(got[i], escaped.Replace(object)) {
					t.Errorf("%s: %q", what, got[i])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %q", what, got)
			}
		}
		eventually(t, "the state", func() bool {
			all, err := audit.New(m, auth.Judge{}).Forwards(t.Context(), auth.Operator())
			return err == nil && len(all) == 4 && !slices.ContainsFunc(all, func(f audit.Forward) bool {
				return f.Waiting != 0 || f.Lost != 0 || f.Ill() || time.Since(f.SentAt) > time.Minute
			})
		})
	})
}

// posts takes lines with a good signature, after it has failed some times.
func posts(t *testing.T, to *sink, failures int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, []byte("s3cret"))
		mac.Write(body)
		if got := r.Header.Get("X-Cove-Signature-256"); err != nil || got != "sha256="+hex.EncodeToString(mac.Sum(nil)) ||
			r.Header.Get("Authorization") != "s3cret" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v %v", r.Header, err)
		}
		if failures--; failures >= 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		var b Body
		if err := json.Unmarshal(body, &b); err != nil || b.Registry != "registry.test" {
			t.Errorf("%s: %v", body, err)
		}
		for _, l := range b.Lines {
			to.add(l.Object)
		}
	})
}

// TestAReceiverThatIsAway gets what it missed when it is back, and a restart repeats
// nothing that it has; what the log forgot meanwhile is counted as lost, and said.
func TestAReceiverThatIsAway(t *testing.T) {
	t.Parallel()
	metadatatest.Each(t, func(t *testing.T, open func(testing.TB, func() time.Time) *metadata.DB) {
		m := open(t, time.Now)
		l := listen(t)
		at := l.Addr().String()
		_ = l.Close()
		r := Receiver{URL: "syslog+tcp://" + at}
		run(t, m, r)
		note(t, m, "one", "two", "three")
		log := audit.New(m, auth.Judge{})
		eventually(t, "its failure is told", func() bool {
			all, err := log.Forwards(t.Context(), auth.Operator())
			return err == nil && len(all) == 1 && all[0].Ill() && all[0].Waiting == 3 && strings.Contains(all[0].Error, "refused")
		})
		// The newest line stays, whatever its age.
		if n, err := audit.Forget(t.Context(), m, time.Now().Add(time.Hour)); err != nil || n != 2 {
			t.Fatal(n, err)
		}
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
		if err != nil {
			t.Skip("the port was taken meanwhile")
		}
		got := frames(t, l)
		eventually(t, "what is left", func() bool { return len(got.all()) == 1 })
		eventually(t, "the loss is told", func() bool {
			all, err := log.Forwards(t.Context(), auth.Operator())
			return err == nil && all[0].Lost == 2 && all[0].Waiting == 0 && !all[0].Ill()
		})
		if all := got.all(); !strings.Contains(all[0], `object="three"`) {
			t.Errorf("%q", all)
		}
	})
}

// TestOneOfSeveralServersSends has a second server see the lease of the first.
func TestOneOfSeveralServersSends(t *testing.T) {
	t.Parallel()
	m := metadatatest.OpenSQLite(t, time.Now)
	s, at := datagrams(t)
	r := Receiver{URL: "syslog+udp://" + at}
	first := run(t, m, r)
	second, err := New(Config{DB: m, Receivers: []Receiver{r}, Log: slog.New(slog.DiscardHandler), Settle: -1})
	if err != nil {
		t.Fatal(err)
	}
	note(t, m, "a", "b")
	if n, err := second.send(t.Context(), second.lines[0]); n != 0 || err != nil {
		t.Errorf("beside the first: %d %v", n, err)
	}
	eventually(t, "both lines", func() bool { return len(s.all()) == 2 })
	if _, ours, err := first.claim(t.Context(), r.URL); err != nil || !ours {
		t.Error(ours, err)
	}
}

// TestForbiddenReceivers connects to nothing that holds the machine's own secrets, and
// follows no redirect there.
func TestForbiddenReceivers(t *testing.T) {
	t.Parallel()
	line := []audit.Event{{ID: 1, Action: "a"}}
	for _, r := range []Receiver{
		{URL: "http://169.254.169.254/latest"},
		{URL: "syslog+udp://169.254.169.254"},
		{URL: "syslog+tcp://169.254.169.254"},
		{URL: "https://[fd00:ec2::254]/x"},
	} {
		to, err := r.open("h", outbound.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		if err := to.send(t.Context(), line); !errors.Is(err, errdefs.ErrDenied) && !strings.Contains(fmt.Sprint(err), "metadata") {
			t.Errorf("%s: %v", r.URL, err)
		}
	}
	hits := &sink{}
	secret := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.add("hit") }))
	defer secret.Close()
	away := httptest.NewServer(http.RedirectHandler(secret.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	to, err := Receiver{URL: away.URL}.open("h", outbound.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.send(t.Context(), line); err == nil || len(hits.all()) != 0 {
		t.Errorf("a redirect: %v, %v", err, hits.all())
	}
}

// TestCheck refuses what is no receiver, and says no secret.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, r := range []Receiver{
		{},
		{URL: "logs.example.com"},
		{URL: "ftp://h/x"},
		{URL: "syslog+udp://"},
		{URL: "syslog+tcp://h/path"},
		{URL: "https://user:geheim@h/x"},
		{URL: "https://h/x?token=geheim"},
		{URL: "syslog+tcp://h", CA: "f"},
		{URL: "syslog+tls://h", SecretFile: "f"},
		{URL: "syslog+udp://h", AuthorizationFile: "f"},
		{URL: "http://h", CA: "f"},
	} {
		if err := r.Check(); !errors.Is(err, errdefs.ErrInvalid) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%+v: %v", r, err)
		}
	}
	if err := CheckAll([]Receiver{{URL: "syslog+udp://h"}, {URL: "syslog+udp://h"}}); !errors.Is(err, errdefs.ErrInvalid) {
		t.Errorf("two of one: %v", err)
	}
	for _, r := range []Receiver{{URL: "https://h/x", SecretFile: "/absent"}, {URL: "syslog+tls://h", CA: "/absent"}} {
		if _, err := New(Config{Receivers: []Receiver{r}}); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
