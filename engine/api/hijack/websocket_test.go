package hijack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	"cove/engine/api/route"
	"cove/engine/api/wire"
)

// TestSocketOfAnotherPage: by TCP, where a browser sends a person's certificate, a page of
// another origin opens none.
func TestSocketOfAnotherPage(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := Socket(w, &route.Request{Request: r}, func(stream *Stream) { _, _ = stream.Stdout().Write([]byte("hello")) })
		if err != nil {
			wire.WriteError(w, err)
		}
	}))
	defer s.Close()
	at := "ws" + strings.TrimPrefix(s.URL, "http")
	if _, err := websocket.Dial(at, "", "https://elsewhere.example/"); err == nil {
		t.Error("a page of another origin may attach")
	}
	ws, err := websocket.Dial(at, "", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	var said string
	if err := websocket.Message.Receive(ws, &said); err != nil || said != "hello" {
		t.Errorf("%q, %v", said, err)
	}
}
