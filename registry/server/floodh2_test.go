package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood is what a client of HTTP/2 sends for as long as it is let. It ends with the error of
// its connection, or with nil when it has sent all it has.
type flood struct {
	name string
	send func(c *h2Client) error
	ends bool // the server must end the connection, or the stream, by itself
}

// requestBlock is the compressed header of a request; extra goes behind it as it is.
func requestBlock(method, path, auth string, extra ...byte) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{
		{":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"authorization", auth},
	} {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	return append(block.Bytes(), extra...)
}

func floods(auth string) []flood {
	const many = 2_000
	get, post := requestBlock("GET", "/v2/_catalog", auth), requestBlock("POST", "/v2/team/app/blobs/uploads/?digest=sha256:"+strings.Repeat("a", 64), auth)
	open := func(c *h2Client, id uint32, block []byte, ends bool) error {
		return c.frame.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: ends, EndHeaders: true})
	}
	reset := func(block []byte, ends bool) func(c *h2Client) error {
		return func(c *h2Client) error {
			for i := range many {
				id := uint32(2*i + 1)
				if err := errors.Join(open(c, id, block, ends), c.frame.WriteRSTStream(id, http2.ErrCodeCancel)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	// An entry of the table of headers, and then its number again and again.
	bomb := append([]byte{0x40, 1, 'x', 0x7f, 0xa1, 0x1d}, bytes.Repeat([]byte{'v'}, 3872)...)
	return []flood{
		{"requests, each reset at once (CVE-2023-44487)", reset(get, true), false},
		{"bodies begun, each reset at once", reset(post, false), false},
		{"more streams than there may be", func(c *h2Client) error {
			for i := range 1_000 {
				if err := open(c, uint32(2*i+1), post, false); err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"a header without an end (CVE-2023-45288)", func(c *h2Client) error {
			err := c.frame.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: get})
			part := bytes.Repeat([]byte{0, 1, 'a', 1, 'b'}, 3_000) // fields that no table keeps
			for range 5_000 {
				err = errors.Join(err, c.frame.WriteContinuation(1, false, part))
				if err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"a header in parts of nothing", func(c *h2Client) error {
			err := c.frame.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: get})
			for range many {
				err = errors.Join(err, c.frame.WriteContinuation(1, false, nil))
			}
			return err
		}, false},
		{"a table of headers that unpacks to 60 MB", func(c *h2Client) error {
			return open(c, 1, append(append(bytes.Clone(get), bomb...), bytes.Repeat([]byte{0xbe}, 12_000)...), true)
		}, true},
		{"PINGs whose answers nobody takes", func(c *h2Client) error {
			for range 2_000_000 {
				if err := c.frame.WritePing(false, [8]byte{1}); err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"SETTINGS whose answers nobody takes", func(c *h2Client) error {
			for range 2_000_000 {
				if err := c.frame.WriteSettings(); err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"a body of frames without bytes", func(c *h2Client) error {
			return dripping(c, open(c, 1, post, false), nil)
		}, true},
		{"a body of one byte now and then", func(c *h2Client) error {
			return dripping(c, open(c, 1, post, false), []byte("x"))
		}, true},
	}
}

// dripping sends a body in pieces until the stream or its connection ends.
func dripping(c *h2Client, err error, piece []byte) error {
	for begun := time.Now(); err == nil; time.Sleep(10 * time.Millisecond) {
		select {
		case <-c.over:
			return io.EOF
		default:
		}
		if time.Since(begun) > 30*time.Second {
			return nil
		}
		err = c.frame.WriteData(1, false, piece)
	}
	return err
}

// TestFloodsOverHTTP2 floods a server in every way that HTTP/2 is known for, each with and
// without an account, while another client goes on asking: it is answered each time, memory
// stays, what must be ended is ended, and no goroutine is left.
func TestFloodsOverHTTP2(t *testing.T) {
	s := newServerOverTLS(t, time.Second/2)
	other := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}}
	defer other.CloseIdleConnections()
	ask := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Address()+"/v2/_catalog", nil)
		if err != nil {
			return err
		}
		req.SetBasicAuth("admin", testPassword)
		resp, err := other.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", resp.Status)
		}
		return nil
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	goroutines, memory := runtime.NumGoroutine(), inUse()
	for who, auth := range map[string]string{"anonymous": "Bearer x", "admin": "Basic " + basic("admin", testPassword)} {
		for _, f := range floods(auth) {
			done := make(chan error, 1)
			go func() { done <- flooded(s.Address(), f) }() // ends by its deadline
			for running := true; running; {
				if err := ask(); err != nil {
					t.Errorf("%s, %s: another client: %v", f.name, who, err)
				}
				select {
				case err := <-done:
					running = false
					if err != nil {
						t.Errorf("%s, %s: %v", f.name, who, err)
					}
				default:
				}
			}
		}
	}
	other.CloseIdleConnections()
	for begun := time.Now(); runtime.NumGoroutine() > goroutines+5; time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("%d goroutines, before it were %d", runtime.NumGoroutine(), goroutines)
		}
	}
	if grown := inUse() - memory; grown > 64<<20 {
		t.Errorf("memory in use has grown by %d MiB", grown>>20)
	}
}

// inUse is how many bytes of memory are live.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// flooded is nil if the flood went as it must.
func flooded(address string, f flood) error {
	conn, err := shake(address, make(chan struct{}, 1))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &h2Client{conn: conn, frame: http2.NewFramer(conn, conn), over: make(chan struct{})}
	c.preface()
	if err := c.frame.WriteSettings(); err != nil {
		return err
	}
	if !strings.Contains(f.name, "nobody takes") {
		go c.read()
	}
	err = f.send(c)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the server neither takes what comes nor ends the connection")
	case err != nil || !f.ends:
		return nil
	case strings.Contains(f.name, "nobody takes"):
		return errors.New("the server took it all")
	}
	select {
	case <-c.over:
		return nil
	case <-time.After(30 * time.Second):
		return errors.New("the server let it be")
	}
}

// read takes what the server sends, until it ends a stream with an error or a refusal, or the
// connection.
func (c *h2Client) read() {
	defer close(c.over)
	c.frame.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := c.frame.ReadFrame()
		if err != nil && !errors.As(err, new(http2.StreamError)) {
			return
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status == "431" || status == "408" {
				return
			}
		case *http2.RSTStreamFrame:
			if f.ErrCode != http2.ErrCodeNo && f.ErrCode != http2.ErrCodeCancel {
				return
			}
		case *http2.GoAwayFrame:
			return
		}
	}
}
