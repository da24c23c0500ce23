package api_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes and reads answers.
func (c *client) raw(t *testing.T, text string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("unix", c.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, text) }() // it is answered before all of it was read, perhaps
	return bufio.NewReader(conn)
}

// answered reads one answer.
func answered(t *testing.T, r *bufio.Reader) (status int, body string) {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestRequestsAsTheyCome are requests that libraries of HTTP do not write: of its first
// version, several at once, bodies in pieces or with an announcement, and what breaks off.
func TestRequestsAsTheyCome(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	const create = `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`
	chunks := "Host: d\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		name, text string
		status     int
		has        string
	}{
		{"the first HTTP", "GET /containers/json HTTP/1.0\r\n\r\n", 200, "[]"},
		{"no host", "GET /_ping HTTP/1.1\r\n\r\n", 400, "missing required Host header"},
		{"an odd host", "GET /_ping HTTP/1.1\r\nHost: %2Fvar%2Frun%2Fdocker.sock\r\n\r\n", 200, "OK"},
		{"an empty host", "GET /_ping HTTP/1.1\r\nHost: \r\n\r\n", 200, "OK"},
		{"an absolute address", "GET http://elsewhere/v1.40/_ping HTTP/1.1\r\nHost: d\r\n\r\n", 200, "OK"},
		{"a body in pieces", "POST /containers/create HTTP/1.1\r\n" + chunks + fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 10, create[:10], len(create)-10, create[10:]), 201, `"Id"`},
		{"a body in no pieces", "POST /containers/create HTTP/1.1\r\n" + chunks + "x\r\n", 400, "reading the request"},
		{"two lengths", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, ""},
		{"a length and pieces", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nTransfer-Encoding: chunked, gzip\r\n\r\n{}", 501, ""},
		{"more than is read", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n" + strings.Repeat(" ", 5_000_000), 400, "more than"},
		{"a header without end", "GET /_ping HTTP/1.1\r\nHost: d\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", 431, ""},
		{"a page of a browser", "POST /containers/create HTTP/1.1\r\nHost: d\r\nOrigin: http://elsewhere\r\nContent-Type: text/plain\r\nContent-Length: " + fmt.Sprint(len(create)) + "\r\n\r\n" + create, 400, "unsupported Content-Type header (text/plain): must be 'application/json'"},
		{"no word of what it is", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: " + fmt.Sprint(len(create)) + "\r\n\r\n" + create, 400, "unsupported Content-Type"},
		{"a character set", "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: " + fmt.Sprint(len(create)) + "\r\n\r\n" + create, 201, `"Id"`},
		{"no body, and no word of it", "POST /volumes/create HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n", 201, `"Name"`},
	} {
		if status, body := answered(t, c.raw(t, tt.text)); status != tt.status || !strings.Contains(body, tt.has) {
			t.Errorf("%s: %d %.300s", tt.name, status, body)
		}
	}
	r := c.raw(t, strings.Repeat("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", 3)+"GET /nothing HTTP/1.1\r\nHost: d\r\n\r\n")
	for i, want := range []int{200, 200, 200, 404} {
		if status, _ := answered(t, r); status != want {
			t.Errorf("the answer %d of several asked at once is %d", i, status)
		}
	}
}

// TestAnnouncedBodies: who asks first whether its body is wanted is told so, or why not.
func TestAnnouncedBodies(t *testing.T) {
	t.Parallel()
	c := serve(t, withBox(t))
	id := c.create(t, `{"Image":"box","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}`)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "announced", Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for of, want := range map[string]int{id: 100, "nobody": 404} {
		conn, err := net.Dial("unix", c.socket)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /containers/%s/archive?path=/ HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", of, archive.Len())
		r := bufio.NewReader(conn)
		status, body := answered(t, r)
		if status != want {
			t.Errorf("%s: %d %s, want %d", of, status, body, want)
			continue
		}
		if want != 100 {
			continue
		}
		if _, err := conn.Write(archive.Bytes()); err != nil {
			t.Fatal(err)
		}
		if status, body := answered(t, r); status != 200 {
			t.Errorf("%d %s", status, body)
		}
	}
	c.want(t, 200, "GET", "/containers/"+id+"/archive?path=/announced", "")
}
