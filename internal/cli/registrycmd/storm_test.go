package registrycmd

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution/distributiontest"
)

var (
	stormSize  = flag.Int("storm", 80, "how many connections are held open to do harm")
	stormFor   = flag.Duration("storm-for", 1500*time.Millisecond, "how long each of the spells of storm and of quiet lasts")
	stormKind  = flag.String("storm-kind", "", "only the kinds of harm whose name has this")
	stormStall = flag.Duration("storm-stall", 6*time.Second, "how long the registry takes silence; 30s is what it has by itself")
)

const stormRounds = 2

// storm is a registry over TLS, those who use it, and those who do it harm.
type storm struct {
	t     *testing.T
	p     *process
	blob  []byte // more than the buffers of a connection hold
	small []byte

	later atomic.Int64 // how often somebody was told to come again

	mu      sync.Mutex
	open    []net.Conn
	begun   map[string]int
	uploads []*halfUpload
}

// TestStorm holds many connections open that send too little, take too little, or send
// what costs more than it weighs, over HTTP/1.1 and HTTP/2: spells of storm and of quiet take
// turns, in each of which others use the registry and are always answered. Then all of the
// attackers fall silent and hold what they have: the registry frees itself of them, and the
// uploads that were cut go on: T18.
func TestStorm(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "registry.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "limits: {stall: %s}\n", *stormStall), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &storm{
		t: t, p: serve(t, t.TempDir(), "--config", config), begun: map[string]int{},
		blob: distributiontest.Bytes(18, 8<<20), small: distributiontest.Bytes(19, 64<<10),
	}
	for _, b := range [][]byte{s.blob, s.small} {
		path := "/v2/team/app/blobs/uploads/?digest=" + digest.FromBytes(b).String()
		if status, _, body := s.p.do(http.MethodPost, path, b); status != http.StatusCreated {
			t.Fatalf("%d %s", status, body)
		}
	}
	goroutines, fds := s.held()
	var quiet, stormy []time.Duration
	for range stormRounds {
		quiet = append(quiet, s.spell(nil)...)
		stormy = append(stormy, s.spell(s.attacks())...)
	}
	held, heldFDs := s.held()
	memory := statusOf(t, s.p.cmd.Process.Pid, "VmHWM")
	took := s.freed(goroutines, fds)
	resumed := s.resume()
	s.letGo()
	a, b := p99(quiet), p99(stormy)
	t.Logf("%d connections at once, %d in all: %v; others: p99 %v of %d requests in quiet, %v of %d in storm, %.1f times as long, %d told to come again; "+
		"%d goroutines and %d files at the end of the storm, freed of all but what there was before (%d, %d) after %v; "+
		"%d uploads that were cut went on; %d kB resident at most",
		*stormSize, len(s.open), s.begun, a.Round(time.Millisecond), len(quiet), b.Round(time.Millisecond), len(stormy),
		float64(b)/float64(a), s.later.Load(), held, heldFDs, goroutines, fds, took.Round(time.Second/10), resumed, memory)
	if len(stormy) == 0 || len(quiet) == 0 {
		t.Error("nobody was answered")
	}
	s.p.Stop()
}

func p99(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}

// spell has others use the registry for a while, beside who does harm. It begins when all of
// those are there, and on a busy machine it is longer.
func (s *storm) spell(harm []attack) (took []time.Duration) {
	harm = slices.DeleteFunc(harm, func(a attack) bool { return !strings.Contains(a.kind, *stormKind) })
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	var attackers, arrived, users sync.WaitGroup
	for i := range *stormSize {
		if len(harm) > 0 {
			arrived.Add(1)
			attackers.Go(func() { s.attack(ctx, i, harm[i%len(harm)], sync.OnceFunc(arrived.Done)) })
		}
	}
	arrived.Wait()
	begun := time.Now()
	var answers atomic.Int64
	each := make([][]time.Duration, 4)
	for i := range each {
		users.Go(func() { each[i] = s.use(ctx, i, &answers) })
	}
	for time.Since(begun) < *stormFor || answers.Load() < 100 && time.Since(begun) < *stormFor+20*time.Second {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	users.Wait()
	attackers.Wait()
	return slices.Concat(each...)
}

// use asks as people do, from an address of their own, and says how long each answer took.
func (s *storm) use(ctx context.Context, n int, answers *atomic.Int64) (took []time.Duration) {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: n%2 == 0,
		DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 0, byte(1+n))}}).DialContext,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := 0; ctx.Err() == nil; i++ {
		begun := time.Now()
		if err := s.once(client, n, i); err != nil {
			s.t.Errorf("somebody else: %v", err)
			return took
		}
		took = append(took, time.Since(begun))
		answers.Add(1)
	}
	return took
}

// once is one request of somebody who means well.
func (s *storm) once(client *http.Client, n, i int) error {
	method, path, want, body := http.MethodHead, "/v2/team/app/blobs/"+digest.FromBytes(s.small).String(), http.StatusOK, io.Reader(nil)
	switch i % 8 {
	case 0, 1, 2:
		method = http.MethodGet
	case 3:
		b := fmt.Appendf(nil, "%d %d %d", n, i, time.Now().UnixNano())
		method, path, want = http.MethodPost, "/v2/team/app/blobs/uploads/?digest="+digest.FromBytes(b).String(), http.StatusCreated
		body = strings.NewReader(string(b))
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.p.URL(path), body)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", testPassword)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" {
		s.later.Add(1)
		return nil
	}
	if resp.StatusCode != want || method == http.MethodGet && string(got) != string(s.small) {
		return fmt.Errorf("%s %s: %s, %d bytes", method, path, resp.Status, len(got))
	}
	return nil
}

// dial opens a connection for who does harm. They are many people, of whom each has an
// address: what one address may have is another test's matter.
func (s *storm) dial(ctx context.Context, n int, a attack) (*stormConn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 2, byte(n/50), byte(1+n%50))}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := (&tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: from},
		Config:    &tls.Config{InsecureSkipVerify: true, NextProtos: []string{a.protocol}},
	}).DialContext(ctx, "tcp", s.p.Address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, conn)
	s.begun[a.kind]++
	c := &stormConn{conn.(*tls.Conn), "Bearer none"}
	if n/stormKinds%2 == 0 || strings.HasPrefix(a.kind, "uploads") {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
		r.SetBasicAuth("admin", testPassword)
		c.auth = r.Header.Get("Authorization")
	}
	return c, nil
}

// attack does one kind of harm, again and again when the registry ends the connection,
// until the spell is over. Then it lets go of nothing.
func (s *storm) attack(ctx context.Context, n int, a attack, arrived func()) {
	defer arrived()
	for tries := 0; ctx.Err() == nil; {
		conn, err := s.dial(ctx, n, a)
		if err != nil { // its handshake took too long, or the spell is over
			if tries++; tries == 10 {
				s.t.Errorf("%s: %v", a.kind, err)
				return
			}
			continue
		}
		arrived()
		silent := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
		a.harm(ctx, conn)
		silent()
		select { // who is thrown out comes back, but not at once
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// held are the goroutines and open files of the registry.
func (s *storm) held() (goroutines, fds int) {
	s.t.Helper()
	s.p.client.CloseIdleConnections()
	time.Sleep(100 * time.Millisecond)
	_, _, metrics := s.p.do(http.MethodGet, "/metrics", nil)
	for _, found := range metricLine.FindAllSubmatch(metrics, -1) {
		n, err := strconv.ParseFloat(string(found[2]), 64)
		if err != nil {
			s.t.Fatal(err)
		}
		if string(found[1]) == "go_goroutines" {
			goroutines = int(n)
		} else {
			fds = int(n)
		}
	}
	if goroutines == 0 || fds == 0 {
		s.t.Fatalf("the metrics say nothing of goroutines and files: %s", metrics)
	}
	return goroutines, fds
}

// freed waits until the registry holds no more than before, and a little: it has twice its
// stall, while who did harm holds everything open and is silent.
func (s *storm) freed(goroutines, fds int) time.Duration {
	s.t.Helper()
	begun := time.Now()
	for {
		g, f := s.held()
		if took := time.Since(begun); g <= goroutines+10 && f <= fds+10 {
			return took
		} else if took > 2**stormStall+10*time.Second { // a busy machine is a little late
			_ = s.p.cmd.Process.Signal(syscall.SIGQUIT) // it tells what they do
			_ = s.p.cmd.Wait()
			s.t.Logf("%s", &s.p.stderr)
			s.t.Fatalf("%v after the storm the registry still has %d goroutines and %d files, before it had %d and %d", took, g, f, goroutines, fds)
		}
	}
}

func (s *storm) letGo() {
	for _, conn := range s.open {
		_ = conn.Close() // by whom was tried above
	}
}
