package containers

import (
	"io"
	"net/http"
)

// flusher sends what is written at once.
type flusher struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (f *flusher) begin() {
	f.begun = true
	_ = f.control.Flush() // a client that is gone is found at the next write
}

func (f *flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.begin()
	return n, err
}

func discardNil(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}
