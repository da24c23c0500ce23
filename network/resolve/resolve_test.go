package resolve

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"cove/internal/ids"
	"cove/internal/process"
	"cove/network/definition"
	"cove/network/etc"
	"cove/network/ipam"
)

// lab is a root with one network, web, and a resolver of a container on it.
type lab struct {
	t    *testing.T
	dir  string // of web's pool
	addr string
	me   string
}

func newLab(t *testing.T, upstreams ...string) *lab {
	t.Helper()
	root := t.TempDir()
	defs := definition.Open(root)
	def, err := defs.Add(t.Context(), definition.Network{Name: "Web", Subnet: netip.MustParsePrefix("10.9.0.0/16")},
		func(n *definition.Network, _ []definition.Network) error { return n.Complete() },
		func(definition.Network) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dir: defs.Dir(def.ID), me: ids.New()}
	l.set(l.me, &ipam.Lease{IP: netip.MustParseAddr("10.9.0.2"), Name: "me"})
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = udp.LocalAddr().String()
	tcp, err := net.Listen("tcp4", l.addr)
	if err != nil {
		t.Skip("the port is taken for TCP: ", err)
	}
	s := Serve(udp, tcp, etc.Asker{Dir: root, ID: l.me, Upstreams: upstreams})
	t.Cleanup(func() { s.Close() })
	return l
}

// set gives a container its lease, or takes it.
func (l *lab) set(id string, lease *ipam.Lease) {
	l.t.Helper()
	err := ipam.Update(l.dir, func(p *ipam.Pool) error {
		delete(p.Leases, id)
		if lease != nil {
			lease.Owner = process.Self()
			p.Leases[id] = *lease
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// ask puts one question; answers are addresses and names.
func (l *lab) ask(network, name string, typ dnsmessage.Type) (dnsmessage.RCode, []string) {
	l.t.Helper()
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(l.t.Context(), network, l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	msg := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: typ, Class: dnsmessage.ClassINET}},
	}
	data, err := msg.Pack()
	if err != nil {
		l.t.Fatal(err)
	}
	var answer []byte
	if network == "tcp" {
		if err = writeTCP(conn, data); err == nil {
			answer, err = readTCP(conn)
		}
	} else if _, err = conn.Write(data); err == nil {
		answer = make([]byte, 4096)
		var n int
		n, err = conn.Read(answer)
		answer = answer[:n]
	}
	if err == nil {
		err = msg.Unpack(answer)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	var got []string
	for _, r := range msg.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			got = append(got, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			got = append(got, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.PTRResource:
			got = append(got, body.PTR.String())
		}
	}
	slices.Sort(got)
	return msg.RCode, got
}

func (l *lab) want(network, name string, typ dnsmessage.Type, code dnsmessage.RCode, want ...string) {
	l.t.Helper()
	if rcode, got := l.ask(network, name, typ); rcode != code || !slices.Equal(got, want) {
		l.t.Errorf("%s %s %v: got %v %v, want %v %v", network, name, typ, rcode, got, code, want)
	}
}

func TestNamesOfContainers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db, twin := ids.New(), ids.New()
	l.want("udp", "db.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure)
	l.set(db, &ipam.Lease{IP: netip.MustParseAddr("10.9.0.3"), Name: "DB", Aliases: []string{"data", "db"}})
	l.set(twin, &ipam.Lease{IP: netip.MustParseAddr("10.9.0.4"), Name: "twin", Aliases: []string{"data"}})
	for _, network := range []string{"udp", "tcp"} {
		l.want(network, "db.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.3")
		l.want(network, "dB.web.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.3")
		l.want(network, ids.Short(db)+".", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.3")
		l.want(network, "data.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.3", "10.9.0.4")
		l.want(network, "me.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.2")
		l.want(network, "db.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess)
		l.want(network, "4.0.9.10.in-addr.arpa.", dnsmessage.TypePTR, dnsmessage.RCodeSuccess, "twin.Web.")
	}
	l.set(twin, &ipam.Lease{IP: netip.MustParseAddr("10.9.0.4"), IP6: netip.MustParseAddr("fd00:9::4"), Name: "twin"})
	l.want("udp", "twin.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, "fd00:9::4")
	l.want("udp", "twin.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.4")
	l.want("tcp", "twin.", dnsmessage.TypeALL, dnsmessage.RCodeSuccess, "10.9.0.4", "fd00:9::4")
	reverse := "4." + strings.Repeat("0.", 23) + "9.0.0.0.0.0.d.f.ip6.arpa."
	l.want("udp", reverse, dnsmessage.TypePTR, dnsmessage.RCodeSuccess, "twin.Web.")
	l.set(db, &ipam.Lease{IP: netip.MustParseAddr("10.9.0.3"), Name: "store"})
	l.want("udp", "store.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.3")
	l.want("udp", "db.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure)
	l.set(db, nil)
	l.want("udp", "store.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure)
	l.set(l.me, nil) // on no network any more, it knows nobody
	l.want("udp", "twin.", dnsmessage.TypeA, dnsmessage.RCodeServerFailure)
}

// upstream answers every A question with an address, or a code; it may be silent.
func upstream(t *testing.T, code dnsmessage.RCode, addr string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			q, ok := parse(buf[:n])
			if !ok || addr == "silent" {
				continue
			}
			var answers []dnsmessage.ResourceBody
			if addr != "" {
				answers = append(answers, &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()})
			}
			_, _ = pc.WriteTo(q.reply(code, answers...), from)
		}
	}()
	return pc.LocalAddr().String()
}

func TestForward(t *testing.T) {
	t.Parallel()
	dead := upstream(t, 0, "silent")
	failing := upstream(t, dnsmessage.RCodeServerFailure, "")
	good := upstream(t, dnsmessage.RCodeSuccess, "192.0.2.1")
	tests := []struct {
		name      string
		upstreams []string
		code      dnsmessage.RCode
		want      []string
	}{
		{"a server that is silent delays nobody", []string{dead, good}, dnsmessage.RCodeSuccess, []string{"192.0.2.1"}},
		{"one that fails does not decide", []string{failing, good}, dnsmessage.RCodeSuccess, []string{"192.0.2.1"}},
		{"unless it is alone", []string{failing}, dnsmessage.RCodeServerFailure, nil},
		{"that there is no such name decides", []string{upstream(t, dnsmessage.RCodeNameError, "")}, dnsmessage.RCodeNameError, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, tt.upstreams...)
			start := time.Now()
			l.want("udp", "example.org.", dnsmessage.TypeA, tt.code, tt.want...)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestLocalNamesWhileUpstreamsAreDead(t *testing.T) {
	t.Parallel()
	l := newLab(t, upstream(t, 0, "silent"))
	go l.send("example.org.") // waits all the time
	start := time.Now()
	l.want("udp", "me.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.0.2")
	if took := time.Since(start); took > time.Second {
		t.Errorf("a local name took %s", took)
	}
}

func (l *lab) send(name string) {
	conn, err := new(net.Dialer).DialContext(context.Background(), "udp", l.addr)
	if err != nil {
		return
	}
	defer conn.Close()
	msg := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	if data, err := msg.Pack(); err == nil {
		_, _ = conn.Write(data)
	}
}

func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	stays := ids.New()
	l.set(stays, &ipam.Lease{IP: netip.MustParseAddr("10.9.1.1"), Name: "stays"})
	var work sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				l.want("udp", "stays.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.1.1")
			}
		}
	})
	for i := range 100 {
		id, name := ids.New(), "c"+strconv.Itoa(i)+"."
		ip := netip.AddrFrom4([4]byte{10, 9, 2, byte(i)})
		l.set(id, &ipam.Lease{IP: ip, Name: strings.TrimSuffix(name, ".")})
		l.want("udp", name, dnsmessage.TypeA, dnsmessage.RCodeSuccess, ip.String())
		l.set(id, nil)
		l.want("udp", name, dnsmessage.TypeA, dnsmessage.RCodeServerFailure)
	}
	close(done)
	work.Wait()
}

// TestSoak asks many times while containers come and go, one upstream answers and
// another is dead: no question is lost, and no answer is wrong. SOAK_QUERIES says how
// many; `make soak` asks a million times.
func TestSoak(t *testing.T) {
	t.Parallel()
	queries := 10_000
	if text := os.Getenv("SOAK_QUERIES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		queries = n
	}
	l := newLab(t, upstream(t, 0, "silent"), upstream(t, dnsmessage.RCodeSuccess, "192.0.2.1"))
	l.set(ids.New(), &ipam.Lease{IP: netip.MustParseAddr("10.9.1.1"), IP6: netip.MustParseAddr("fd00:9::1"), Name: "stays"})
	done, left := make(chan struct{}), atomic.Int64{}
	left.Store(int64(queries))
	var churn, work sync.WaitGroup
	churn.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			id := ids.New()
			l.set(id, &ipam.Lease{IP: netip.AddrFrom4([4]byte{10, 9, 2, byte(i)}), Name: "comes"})
			l.set(id, nil)
		}
	})
	for range 8 {
		work.Go(func() {
			for n := left.Add(-1); n >= 0; n = left.Add(-1) {
				switch n % 50 {
				case 0:
					l.want("tcp", "stays.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.1.1")
				case 1, 2, 3, 4, 5:
					l.want("udp", "example.org.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "192.0.2.1")
				case 6, 7, 8, 9, 10:
					l.want("udp", "stays.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, "fd00:9::1")
				default:
					l.want("udp", "stays.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, "10.9.1.1")
				}
			}
		})
	}
	work.Wait()
	close(done)
	churn.Wait()
	t.Logf("%d questions, 0 lost", queries)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02db\x00\x00\x01\x00\x01"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		q, ok := parse(msg)
		if !ok {
			return
		}
		if answer := q.reply(dnsmessage.RCodeSuccess); answer != nil {
			if matches, _ := q.answers(answer); !matches {
				t.Errorf("the reply to %x does not answer it", msg)
			}
		}
	})
}
